"""What a day's care list says, by the rule that put patients on it."""

from collections.abc import Mapping, Sequence

from healthcare_assets.domain.figures import levels
from healthcare_assets.domain.figures.costs import ChargesOf, charges_figure, withheld_of
from healthcare_assets.domain.figures.figure import WITHHELD, Figure
from healthcare_assets.domain.figures.levels import Axis, Level
from healthcare_assets.domain.monitoring.report_figures import name


def care_figures(groups: Sequence[ChargesOf], *, within: Mapping[str, int]) -> dict[str, Figure]:
    """By name: how many patients each rule listed, and what these are predicted to cost. `within` are those of each
    rule whom the care team can call."""
    return {
        "by_rule": _listed(groups, within),
        "charges_by_rule": charges_figure("charges-by-rule", "Predicted charges of the patients listed", groups),
    }


def _listed(groups: Sequence[ChargesOf], within: Mapping[str, int]) -> Figure:
    hidden = withheld_of(groups)
    found = [
        Level(label=name(group.label), value=None if hide else float(group.patients), withheld=hide)
        for group, hide in zip(groups, hidden, strict=True)
    ]
    height, marks = levels.drawn(found, Axis(form=_count, tick=_count, bars=True))
    return Figure(
        identity="by-rule",
        title="Patients listed, by rule",
        description=f"Horizontal bars. {levels.described(found, _count)}",
        height=height,
        marks=marks,
        head=("rule", "patients", "within capacity"),
        rows=[
            (group.label, WITHHELD if hide else f"{group.patients:,}", _part(group.patients, within[group.label]))
            for group, hide in zip(groups, hidden, strict=True)
        ],
        words=(2,),
    )


def _part(listed: int, within: int) -> str:
    """In words, since the capacity may leave a few of a rule."""
    if not listed:
        return ""
    return "none" if not within else "all" if within == listed else "some"


def _count(value: float) -> str:
    return f"{value:,.0f}"
