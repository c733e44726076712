"""Age curves: how premiums vary by age, as the federal government and the states have set it.

45 CFR 147.102(d) and (e): all insurers of a state use one curve, over the uniform age bands 0–14, each year from 15 to
63, and 64 and over. CMS publishes the curves in "State Specific Age Curve Variations" (31 May 2017, for plan years from
2018 on, the latest edition). Federal default: also "Final Guidance Regarding Age Curves and State Reporting" (CMS, 16
December 2016). docs/pricing.md says which figures of the states were compared with independent transcriptions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from healthcare_assets.policy import PricingRules

YOUNGEST, OLDEST = 14, 64
"""Everybody up to the one shares a band, and everybody from the other on."""
AGE_LEVELS = (f"0-{YOUNGEST}", *map(str, range(YOUNGEST + 1, OLDEST)), f"{OLDEST}-over")
"""The uniform age bands of 45 CFR 147.102(d)."""


@dataclass(frozen=True, kw_only=True)
class AgeCurve:
    """A factor for each age band."""

    name: str
    version: str
    factors: Sequence[float]
    """In the order of AGE_LEVELS."""

    def factor(self, age: int) -> float:
        """Of a member of the age in years."""
        return self.factors[band(age)]


def band(age: int) -> int:
    """The position of the age's band in AGE_LEVELS."""
    return min(max(age, YOUNGEST), OLDEST) - YOUNGEST


def faults(factors: Mapping[str, float], *, rules: PricingRules) -> list[str]:
    """What keeps the factors, by age level, from being a curve that the law allows; empty where nothing does."""
    missing = [level for level in AGE_LEVELS if level not in factors]
    unknown = sorted(set(factors) - set(AGE_LEVELS))
    if missing or unknown:
        lacking = [f"it has no factor for {', '.join(missing)}"] if missing else []
        return lacking + ([f"{', '.join(unknown)} is no age band"] if unknown else [])
    if wrong := [level for level in AGE_LEVELS if not 0.0 < factors[level] < float("inf")]:
        return [f"the factor of {', '.join(wrong)} is no positive number"]
    found = []
    adults = [(level, factors[level]) for level in AGE_LEVELS[band(rules.adult_age) :]]
    (cheapest, low), (dearest, high) = (pick(adults, key=lambda pair: pair[1]) for pick in (min, max))
    if high > low * rules.age_ratio_maximum * (1.0 + rules.rounding):
        found.append(f"{dearest} pays {high / low:.3f} times what {cheapest} pays, over {rules.age_ratio_maximum:g}:1")
    # No curve that was ever filed falls with the age of adults: such a one has a slip of the pen.
    found += [f"the factor falls from {a} to {b}" for (a, one), (b, other) in pairwise(adults) if other < one]
    return found


_VERSION = "CMS, State Specific Age Curve Variations, 31 May 2017 (plan years from 2018)"
_FEDERAL_ADULTS = (
    *(1.000, 1.000, 1.000, 1.000, 1.004, 1.024, 1.048, 1.087, 1.119, 1.135, 1.159),
    *(1.183, 1.198, 1.214, 1.222, 1.230, 1.238, 1.246, 1.262, 1.278, 1.302, 1.325),
    *(1.357, 1.397, 1.444, 1.500, 1.563, 1.635, 1.706, 1.786, 1.865, 1.952, 2.040),
    *(2.135, 2.230, 2.333, 2.437, 2.548, 2.603, 2.714, 2.810, 2.873, 2.952, 3.000),
)
"""From 21 to 64, eleven years a line; the curves below have the same lines."""
_CHILD_LEVELS = 7
"""0–14, and each year from 15 to 20."""


def _flat_to_20(child: float, adults: Sequence[float], name: str) -> AgeCurve:
    """All states with curves of their own have one factor for everybody under 21."""
    return AgeCurve(name=name, version=_VERSION, factors=(*(child,) * _CHILD_LEVELS, *adults))


FEDERAL_DEFAULT = AgeCurve(
    name="federal default",
    version=_VERSION,
    factors=(0.765, 0.833, 0.859, 0.885, 0.913, 0.941, 0.970, *_FEDERAL_ADULTS),
)
NOT_BY_AGE = AgeCurve(name="no age rating", version=_VERSION, factors=(1.0,) * len(AGE_LEVELS))

STATE_CURVES: Mapping[str, AgeCurve] = {
    "AL": _flat_to_20(0.635, _FEDERAL_ADULTS, "Alabama, individual market"),
    "DC": _flat_to_20(
        0.654,
        (
            *(0.727, 0.727, 0.727, 0.727, 0.727, 0.727, 0.727, 0.744, 0.760, 0.779, 0.799),
            *(0.817, 0.836, 0.856, 0.876, 0.896, 0.916, 0.927, 0.938, 0.975, 1.013, 1.053),
            *(1.094, 1.137, 1.181, 1.227, 1.275, 1.325, 1.377, 1.431, 1.487, 1.545, 1.605),
            *(1.668, 1.733, 1.801, 1.871, 1.944, 2.020, 2.099, 2.181, 2.181, 2.181, 2.181),
        ),
        "District of Columbia",
    ),
    "MA": _flat_to_20(
        0.751,
        (
            *(1.183, 1.183, 1.183, 1.183, 1.183, 1.183, 1.220, 1.250, 1.275, 1.287, 1.305),
            *(1.323, 1.334, 1.346, 1.352, 1.358, 1.363, 1.369, 1.381, 1.393, 1.410, 1.427),
            *(1.450, 1.478, 1.511, 1.550, 1.593, 1.641, 1.688, 1.741, 1.792, 1.847, 1.902),
            *(1.961, 2.019, 2.080, 2.142, 2.206, 2.280, 2.365, 2.365, 2.365, 2.365, 2.365),
        ),
        "Massachusetts",
    ),
    "MN": _flat_to_20(0.890, _FEDERAL_ADULTS, "Minnesota"),
    "MS": _flat_to_20(0.635, _FEDERAL_ADULTS, "Mississippi"),
    "NY": NOT_BY_AGE,
    "OR": _flat_to_20(0.635, _FEDERAL_ADULTS, "Oregon"),
    "UT": _flat_to_20(
        0.793,
        (
            *(1.000, 1.050, 1.113, 1.191, 1.298, 1.363, 1.390, 1.390, 1.390, 1.390, 1.390),
            *(1.390, 1.390, 1.390, 1.390, 1.390, 1.404, 1.425, 1.450, 1.479, 1.516, 1.562),
            *(1.616, 1.681, 1.748, 1.818, 1.891, 1.966, 2.045, 2.127, 2.212, 2.300, 2.392),
            *(2.488, 2.588, 2.691, 2.799, 2.911, 3.000, 3.000, 3.000, 3.000, 3.000, 3.000),
        ),
        "Utah",
    ),
    "VT": NOT_BY_AGE,
}
"""By the state's two letters; every other state uses the federal default."""
