"""What a premium may depend on, and by how much: 45 CFR 147.102(a), and what states have narrowed.

The states' tobacco limits and family tiers are those of their individual markets, by CMS, "State Specific Rating
Variations" (9 August 2013, with the editions of 9 September 2014 and 10 December 2021).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from healthcare_assets.domain.pricing.age_curves import FEDERAL_DEFAULT, STATE_CURVES, YOUNGEST, AgeCurve
from healthcare_assets.policy import PricingRules

_LETTERS = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR "
    "PA RI SC SD TN TX UT VT VA WA WV WI WY"
)
STATES = tuple(_LETTERS.split())
"""The states, and the District of Columbia: whose markets the rule is for."""

TOBACCO_LIMITS: Mapping[str, float] = {
    "AR": 1.2,
    "CA": 1.0,
    "CO": 1.15,
    "DC": 1.0,
    "KY": 1.4,
    "MA": 1.0,
    "NJ": 1.0,
    "NY": 1.0,
    "RI": 1.0,
    "VT": 1.0,
}
"""States that allow less than the federal limit; 1.0 forbids to rate tobacco."""

FAMILY_TIERS: Mapping[str, float] = {"NY": 1.70, "VT": 1.93}
"""An adult with children, however many, by the uniform tiers of the states without age rating (147.102(c)(2))."""


@dataclass(frozen=True, kw_only=True)
class RatingLaw:
    """The rules of one market."""

    state: str | None
    """Two letters; None is the federal default."""
    curve: AgeCurve
    rules: PricingRules

    @property
    def tobacco_limit(self) -> float:
        """The most that a user's premium may be of a non-user's."""
        return min(self.rules.tobacco_ratio_maximum, TOBACCO_LIMITS.get(self.state or "", float("inf")))

    @property
    def child(self) -> float:
        """What a child adds, in premiums of a subscriber of 21. How old the children are is not on record: they are
        taken to be under 15, where the federal curve is lowest."""
        return self.curve.factors[0] / self.curve.factor(self.rules.adult_age)

    def family(self, children: int) -> float:
        """The premium of a subscriber of 21 with so many children under 21, in premiums of the subscriber alone.

        Members' premiums are summed, and of the children at most the three oldest count (147.102(c)(1)); where a state
        has family tiers, these are used.
        """
        tier = FAMILY_TIERS.get(self.state or "")
        if tier is not None:
            return tier if children else 1.0
        return 1.0 + min(children, self.rules.rated_children_maximum) * self.child

    def because(self, dimension: str) -> str:
        """What the relativities of the dimension stand on, in words."""
        where = f" of {self.state}" if self.state else ""
        family = (
            f"family tiers{where} (45 CFR 147.102(c)(2))"
            if self.state in FAMILY_TIERS
            else f"subscriber and at most {self.rules.rated_children_maximum} children, taken as 0-{YOUNGEST} "
            "(45 CFR 147.102(c)(1))"
        )
        return {
            "all": "the base of all relativities",
            "area": "experience of the rating area without its age and tobacco mix, mean 1 (45 CFR 147.102(a)(1)(ii))",
            "age": f"age curve: {self.curve.name} (45 CFR 147.102(e)), adults within "
            f"{self.rules.age_ratio_maximum:g}:1",
            "tobacco": f"experience without the age mix, within {self.tobacco_limit:g}:1, from age "
            f"{self.rules.tobacco_age} on (45 CFR 147.102(a)(1)(iv))",
            "family": family,
        }[dimension]


def rating_law(state: str | None, *, curve: AgeCurve | None, rules: PricingRules) -> RatingLaw:
    """The rules of the state, one of STATES or None, with a curve of the insurer's own in place of the published one
    where it gives one."""
    published = STATE_CURVES.get(state or "", FEDERAL_DEFAULT)
    return RatingLaw(state=state, curve=curve or published, rules=rules)
