"""What a month's `pricing_factors` say, a figure a dimension: expected costs with their intervals, and relativities."""

from collections.abc import Mapping, Sequence
from typing import Any

from healthcare_assets.domain.figures import curve, levels
from healthcare_assets.domain.figures.curve import Place
from healthcare_assets.domain.figures.figure import NOBODY, WITHHELD, Figure
from healthcare_assets.domain.figures.levels import Axis, Level
from healthcare_assets.domain.monitoring.report_figures import dollars, short_dollars
from healthcare_assets.domain.pricing.age_curves import AGE_LEVELS
from healthcare_assets.domain.pricing.factors import DIMENSIONS, EVERYBODY

Row = Mapping[str, Any]
Rows = Sequence[Row]

TITLES = {"area": "Rating area", "age": "Age", "tobacco": "Tobacco", "family": "Children"}
_AGES_APART = 5
_HEAD = ("level", "relativity", "members", "expected", "90 % interval", "observed", "credibility", "since last month")
_LEGEND = (("dot", "expected cost"), ("line", "90 % interval"), ("dot hollow", "observed cost"))


def in_order(rows: Rows) -> list[Row]:
    """The whole book first, then dimension by dimension, each in the order of its levels."""
    ages = {level: number for number, level in enumerate(AGE_LEVELS)}
    known = {name: number for number, name in enumerate(DIMENSIONS)}

    def place(row: Row) -> tuple[int, int, str]:
        name, level = str(row["dimension"]), str(row["level"])
        return known.get(name, len(known)), ages.get(level, 0) if name == "age" else 0, level

    return sorted(rows, key=place)


def whole_book(rows: Rows) -> Row | None:
    """The row of everybody; None of a month without rows."""
    return next((row for row in rows if row["dimension"] == EVERYBODY), None)


def cost_figures(rows: Rows, *, before: Rows) -> dict[str, Figure]:
    """By dimension. `before` are the rows of the month before: a change is the difference of two published figures."""
    earlier = {(row["dimension"], row["level"]): row["expected_cost"] for row in before}
    found = {}
    for name, title in TITLES.items():
        own = [row for row in in_order(rows) if row["dimension"] == name]
        if own:
            found[name] = _figure(name, f"Expected cost of a member by {title.lower()}", own, earlier)
    return found


def relativity_figure(rows: Rows) -> Figure | None:
    """The age curve, of which every premium is a multiple; None of a month without rows."""
    own = [row for row in in_order(rows) if row["dimension"] == "age"]
    if not own:
        return None
    places = [Place(label=_short_age(row["level"]), value=row["relativity"]) for row in own]
    height, marks = curve.drawn(places, relativity, height=110.0)
    low, high = min(own, key=_relativity), max(own, key=_relativity)
    return Figure(
        identity="relativity-age",
        title="Relativity by age",
        description=f"A line over the ages, from {relativity(low['relativity'])} at {_age(low['level'])} to "
        f"{relativity(high['relativity'])} at {_age(high['level'])}.",
        height=height,
        marks=marks,
        head=("age", "relativity"),
        rows=[(_age(row["level"]), relativity(row["relativity"])) for row in own],
        said=[f"{str(own[0]['rule'])[:1].upper()}{str(own[0]['rule'])[1:]}."],
        every=_AGES_APART,
    )


def relativity(value: float) -> str:
    """What a premium is multiplied with, in as many digits as the law has."""
    return f"{value:.3f}"


def _figure(name: str, title: str, own: Rows, earlier: Mapping[tuple[str, str], float | None]) -> Figure:
    if name == "age":
        height, marks = curve.drawn([_place(row) for row in own], short_dollars)
        shown = [row for row in own if row["expected_cost"] is not None]
        said = "; ".join(
            f"{_age(row['level'])} {dollars(row['expected_cost'])}" for row in shown[:: max(1, len(shown) // 5)]
        )
        description = f"A line over the ages with an interval each, observed costs as dots. {said or 'All withheld'}."
    else:
        found = [_level(row) for row in own]
        height, marks = levels.drawn(found, Axis(form=dollars, tick=short_dollars))
        description = f"A dot with its interval for each. {levels.described(found, dollars)}"
    withheld = sum(bool(row["suppressed"]) for row in own)
    told = f"Members and costs of {withheld} of {len(own)} are withheld: few persons, or a way to them."
    return Figure(
        identity=f"expected-{name}",
        title=title,
        description=description,
        height=height,
        marks=marks,
        head=_HEAD,
        rows=[_cells(row, earlier.get((row["dimension"], row["level"]))) for row in own],
        said=[f"Relativity: {own[0]['rule']}.", *([told] if withheld else [])],
        legend=_LEGEND,
        every=_AGES_APART if name == "age" else 1,
    )


def _level(row: Row) -> Level:
    return Level(
        label=str(row["level"]),
        value=row["expected_cost"],
        lower=row["expected_lower"],
        upper=row["expected_upper"],
        other=row["observed_cost"],
        withheld=bool(row["suppressed"]),
    )


def _place(row: Row) -> Place:
    return Place(
        label=_short_age(row["level"]),
        value=row["expected_cost"],
        lower=row["expected_lower"],
        upper=row["expected_upper"],
        other=row["observed_cost"],
    )


def _cells(row: Row, earlier: float | None) -> tuple[str, ...]:
    hidden = WITHHELD if row["suppressed"] else NOBODY
    cost, lower, upper = row["expected_cost"], row["expected_lower"], row["expected_upper"]
    return (
        _age(row["level"]),
        relativity(row["relativity"]),
        hidden if row["members"] is None else f"{row['members']:,}",
        hidden if cost is None else dollars(cost),
        hidden if lower is None or upper is None else f"{dollars(lower)} to {dollars(upper)}",
        hidden if row["observed_cost"] is None else dollars(row["observed_cost"]),
        hidden if row["credibility"] is None else f"{row['credibility']:.2f}",
        NOBODY if cost is None or earlier is None else changed(cost - earlier),
    )


def changed(amount: float) -> str:
    """US dollars with their sign."""
    return f"{'+' if amount > 0 else ''}{dollars(amount)}"


def _age(level: object) -> str:
    return str(level).replace("-over", " and over").replace("-", "–")


def _short_age(level: object) -> str:
    """For an axis."""
    return str(level).replace("-over", "+").replace("-", "–")


def _relativity(row: Row) -> float:
    return float(row["relativity"])
