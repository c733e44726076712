"""What the report may show of the day and of the training population: nothing that stands for 1 to 10 patients."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from healthcare_assets.domain.monitoring.findings import Distribution, DriftStatistic
from healthcare_assets.domain.small_cells import MINIMUM_CELL, is_small, merged, suppressed

_SHARES = ("null_rate", "new_categories")
"""Statistics that are a share of the patients."""
_OF_THE_DAY = ("null_rate", "predictions", "missing_column")
"""Statistics that the categories' counts do not enter."""
_BETWEEN, _BELOW, _ABOVE = " – ", "to ", "over "


@dataclass(frozen=True, kw_only=True)
class Bin:
    """A bin or category with its shares (0–1) of the training population and of the day; None: not to be shown."""

    label: str
    reference: float | None
    current: float | None


def shown_bins(found: Distribution) -> list[Bin]:
    """Bins that follow one another are merged until they may be shown; categories are left without their shares.

    Empty where the day or the training population has too few patients to be shown at all, or none.
    """
    if sum(found.current) < MINIMUM_CELL or sum(found.reference) < MINIMUM_CELL:
        return []
    return _merged(found) if found.ordered else _categories(found)


def hides_categories(found: Distribution) -> bool:
    """Whether a category may not be shown; then no statistic of them may be either, since it could be solved for it."""
    return not found.ordered and any(cell.current is None for cell in shown_bins(found))


def value_may_be_shown(found: DriftStatistic, *, hiding: Collection[str]) -> bool:
    """`hiding`: the columns some of whose categories may not be shown."""
    if found.column in hiding and found.statistic not in _OF_THE_DAY:
        return False
    return may_be_shown(found.statistic, found.value, patients=found.n_current)


def may_be_shown(statistic: str, value: float | None, *, patients: int) -> bool:
    """Whether neither the patients whom it is based on nor those whom it counts are 1 to 10."""
    if is_small(patients):
        return False
    if statistic in _SHARES and value is not None:
        counted = int(value * patients + 0.5)
        return not is_small(counted) and not is_small(patients - counted)
    return True


def _merged(found: Distribution) -> list[Bin]:
    """First for the day, then these for the training population: what is enough stays so when merged further."""
    of_day = merged(found.current)
    runs = merged([sum(found.reference[start:stop]) for start, stop in of_day])
    bins = []
    for first, behind in runs:
        start, stop = of_day[first][0], of_day[behind - 1][1]
        bins.append(
            Bin(
                label=_spanning(found.bins[start], found.bins[stop - 1]),
                reference=sum(found.reference[start:stop]) / sum(found.reference),
                current=sum(found.current[start:stop]) / sum(found.current),
            )
        )
    return [cell for cell in bins if cell.reference or cell.current]


def _spanning(first: str, last: str) -> str:
    """The label of the bins from the first to the last."""
    if first == last:
        return first
    begins = None if first.startswith(_BELOW) else first.removeprefix(_ABOVE).split(_BETWEEN)[0]
    ends = None if last.startswith(_ABOVE) else last.removeprefix(_BELOW).split(_BETWEEN)[-1]
    if begins is None:
        return "all" if ends is None else f"{_BELOW}{ends}"
    return f"{_ABOVE}{begins}" if ends is None else f"{begins}{_BETWEEN}{ends}"


def _categories(found: Distribution) -> list[Bin]:
    hidden = [
        of_day or of_training
        for of_day, of_training in zip(hidden_cells(found.current), hidden_cells(found.reference), strict=True)
    ]
    return [
        Bin(
            label=label,
            reference=None if hide else trained / sum(found.reference),
            current=None if hide else current / sum(found.current),
        )
        for label, trained, current, hide in zip(found.bins, found.reference, found.current, hidden, strict=True)
    ]


def hidden_cells(counts: Sequence[int]) -> list[bool]:
    """As `suppressed`, and until those that are hidden are not 1 to 10 patients together: who is, is the rest."""
    hidden = suppressed(counts)
    while is_small(sum(count for count, hide in zip(counts, hidden, strict=True) if hide)):
        shown = [number for number, hide in enumerate(hidden) if not hide and counts[number]]
        if not shown:
            break
        hidden[min(shown, key=lambda number: counts[number])] = True
    return hidden
