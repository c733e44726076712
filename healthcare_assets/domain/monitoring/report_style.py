"""The style of the monitoring report: on a phone as on a screen, light and dark, in colours of Okabe and Ito.

Their orange and vermilion are darkened or lightened where they are text, which needs a contrast of 4.5 (WCAG AA).
"""

LIGHT = {
    "paper": "#ffffff",
    "card": "#f8f9fa",
    "ink": "#1b1f24",
    "soft": "#57606a",
    "rule": "#d5dae0",
    "day": "#0072b2",
    "alert": "#b04400",
    "good": "#00664b",
    "band": "#dcefe8",
    "wash": "#fdf0e9",
}
DARK = {
    "paper": "#14171b",
    "card": "#1c2026",
    "ink": "#e8ebee",
    "soft": "#a9b2bc",
    "rule": "#3a424c",
    "day": "#56b4e9",
    "alert": "#ff9a5c",
    "good": "#4fd1a5",
    "band": "#1d3b32",
    "wash": "#33231a",
}


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


_LAYOUT = """
* { box-sizing: border-box; }
html { color-scheme: light dark; -webkit-text-size-adjust: 100%; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: var(--ink); background: var(--paper);
  overflow-wrap: anywhere; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .4rem; }
h3 { font-size: 1rem; margin: 0 0 .2rem; }
p { margin: 0 0 .6rem; max-width: 48rem; }
section { margin-top: 2.5rem; padding-top: 1.25rem; border-top: 1px solid var(--rule); }
a { color: var(--day); } a:focus-visible, summary:focus-visible, .scroll:focus-visible {
  outline: 3px solid var(--day); outline-offset: 2px; }
.soft, small, .product { color: var(--soft); } .said { font-size: .85rem; margin-bottom: .3rem; }
.product { margin: 0 0 .2rem; font-size: .9rem; } .whole { white-space: nowrap; }
.verdict { font-size: 1.15rem; font-weight: 600; margin-bottom: 1rem; }
.verdict.bad, .badge, .failed .mark, .failed .status { color: var(--alert); }
.verdict.good, .passed .mark, .passed .status { color: var(--good); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; }
.tiles div { border: 1px solid var(--rule); border-radius: .5rem; padding: .6rem .8rem; background: var(--card); }
.tiles dt { font-size: .85rem; color: var(--soft); } .tiles dd { margin: 0; } .tiles strong { font-size: 1.2rem;
  display: block; } .tiles small { display: block; line-height: 1.35; }
.checks { list-style: none; padding: 0; margin: 1.25rem 0; }
.checks li { display: flex; gap: .75rem; padding: .55rem .75rem; border-top: 1px solid var(--rule); }
.checks li.failed { background: var(--wash); }
.checks .mark { flex: none; width: 1.2rem; text-align: center; font-weight: 700; } .checks p { margin: .1rem 0 0;
  max-width: 60rem; } .status { font-size: .9rem; font-weight: 600; } .undecided .mark, .undecided .status {
  color: var(--soft); }
nav ul, .legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: 0; }
.legend { font-size: .85rem; color: var(--soft); margin-bottom: .75rem; }
.card .legend { margin: .3rem 0 .5rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .8rem; min-width: 0; }
.card.alerting { border: 2px solid var(--alert); padding: calc(.8rem - 1px); }
.badge { font-size: .85rem; white-space: nowrap; } .nothing { color: var(--soft); font-style: italic; margin: .5rem 0; }
.beside { display: grid; grid-template-columns: minmax(0, 27rem) minmax(0, 1fr); gap: 1rem; align-items: start; }
.scroll { overflow: auto; max-width: 100%; position: relative; } .beside > .scroll { max-height: 27rem; }
.long > .scroll { max-height: 40rem; } .beside > .scroll, .long > .scroll { border: 1px solid var(--rule);
  border-radius: .5rem; }
details { margin-top: .4rem; } summary { cursor: pointer; font-size: .85rem; color: var(--soft); padding: .2rem 0; }
details .scroll { max-height: 20rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .35rem .55rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule);
  overflow-wrap: normal; white-space: nowrap; } tbody th { font-weight: 400; } .n { text-align: right; }
thead th { position: sticky; top: 0; background: var(--card); }
dl { margin: 0; } #glossary dl { display: grid; gap: .6rem 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); } dt { font-weight: 600; } dd { margin: 0; }
.chart { display: block; width: 100%; height: auto; overflow: hidden; }
.key { display: inline-block; width: 1.3rem; height: .7rem; margin-right: .4rem; vertical-align: -.05rem; }
.key.day { background: var(--day); } .key.training { border: 1.5px dashed var(--ink); }
.key.band { background: var(--band); border: 1px solid var(--rule); }
.key.line, .key.limit { height: 0; border-top: 2.5px solid var(--day); vertical-align: .25rem; }
.key.limit { border-top: 2px dashed var(--alert); }
.key.version { width: 0; height: .9rem; border-left: 2px dotted var(--ink); }
.key.untold { width: .5rem; height: .5rem; border: 1.5px solid var(--soft); transform: rotate(45deg);
  margin: 0 .6rem 0 .3rem; }
.key.dot { width: .65rem; height: .65rem; border-radius: 50%; background: var(--day); border: 1.5px solid var(--day); }
.key.hollow { background: none; }
.key.alert { width: .8rem; background: var(--alert); clip-path: polygon(0 100%, 100% 100%, 50% 0); }
@media (max-width: 60rem) { .beside { grid-template-columns: minmax(0, 1fr); } }
@media (min-width: 37.5rem) { .beside .chart { font-size: 9.5px; } }
@media (max-width: 37.5rem) { main { padding: .75rem; } h1 { font-size: 1.4rem; }
  .checks li { padding: .55rem .4rem; } }
@media print { .card, .checks li { break-inside: avoid; } .scroll { max-height: none !important; }
  nav { display: none; } }
"""

_CHART = """
.chart { font: 11.5px system-ui, sans-serif; }
.chart text { fill: var(--soft); font-variant-numeric: tabular-nums; } .chart .name, .chart .value { fill: var(--ink); }
.chart text { paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
.chart .heading { font-weight: 600; } .chart .strong { fill: var(--alert); font-weight: 600; }
.chart .bar.day { fill: var(--day); } .chart .bar.training { fill: none; stroke: var(--ink); stroke-width: 1.3;
  stroke-dasharray: 3 2; }
.chart .axis { stroke: var(--soft); } .chart .grid { stroke: var(--rule); stroke-width: .7; }
.chart .limit { fill: none; stroke: var(--alert); stroke-width: 1.3; stroke-dasharray: 5 3; }
.chart .version { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 1.5 2.5; }
.chart .line { fill: none; stroke: var(--day); stroke-width: 1.6; stroke-linejoin: round; }
.chart .mark { fill: var(--day); stroke: var(--day); stroke-width: 1.3; } .chart .alert { fill: var(--alert);
  stroke: var(--alert); stroke-width: 1.3; } .chart .hollow { fill: var(--card); }
.chart .untold { fill: none; stroke: var(--soft); } .chart .band { fill: var(--band); }
.chart .interval { stroke: var(--day); stroke-width: 2.2; fill: var(--day); }
"""

STYLE = f""":root {{ {_variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}{_CHART}{_LAYOUT}"""
PICTURE_STYLE = f":root {{ {_variables({**LIGHT, 'card': LIGHT['paper']})} }}{_CHART}"
"""Of a chart that is a picture by itself, on a paper of its own: always light, as nobody tells it otherwise."""
