"""How much weight a group's own cost deserves: limited fluctuation credibility.

Full credibility is given to a group whose mean cost lies within k of its expectation with probability p. For members
with independent yearly costs of mean ξ and variance σ² that takes n_F = (z/k)² · (σ/ξ)² members, where z is the normal
quantile of (1 + p)/2; a smaller group of n members gets Z = √(n/n_F). (Klugman, Panjer, Willmot: Loss Models, 4th ed.,
17.2–17.4; Longley-Cook 1962.) With p = 90 % and k = 5 %, (z/k)² = 1,082: the well-known 1,082 claims. Our records have
a cost a member and no claims; for Poisson claims of mean frequency λ, (σ/ξ)² = (1 + CV²)/λ with the CV of a claim, so
n_F members have 1,082 · (1 + CV²) claims, which is the same standard with its adjustment for severity.

Bühlmann–Straub was not chosen: it estimates the variance between groups from as many values as there are groups, and of
tobacco there are two, of areas and family sizes four.
"""

import math
from dataclasses import dataclass

from healthcare_assets.domain.monitoring.distances import normal_quantile
from healthcare_assets.domain.pricing.experience import Experience
from healthcare_assets.policy import PricingRules


@dataclass(frozen=True, kw_only=True)
class Book:
    """All members together: what a group's own cost is weighed against."""

    members: int
    mean: float
    """US dollars a year; NaN without members."""
    variation: float
    """Coefficient of variation of a member's cost. A small group does not know its own. NaN where nobody does."""
    rules: PricingRules

    @property
    def full_credibility(self) -> float:
        """Members that full credibility takes; infinite where the variation is not known."""
        z = normal_quantile((1.0 + self.rules.credibility_probability) / 2.0)
        needed = (z / self.rules.credibility_tolerance * self.variation) ** 2
        return needed if math.isfinite(needed) else math.inf

    def credibility(self, members: int) -> float:
        """Z of a group of so many members."""
        if members == 0 or math.isinf(self.full_credibility):
            return 0.0
        return min(1.0, math.sqrt(members / self.full_credibility)) if self.full_credibility else 1.0


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The cost to expect of a member of a group, US dollars a year, with its interval."""

    observed: float | None
    credibility: float
    cost: float | None
    lower: float | None
    upper: float | None


def book(experience: Experience, *, rules: PricingRules) -> Book:
    """The whole of the experience."""
    members = int(experience.members.sum())
    mean = float(experience.cost.sum()) / members if members else math.nan
    variance = (
        max(float(experience.squares.sum()) / members - mean**2, 0.0) * members / (members - 1)
        if members > 1
        else math.nan
    )
    variation = math.sqrt(variance) / mean if mean > 0.0 else math.nan
    return Book(members=members, mean=mean, variation=variation, rules=rules)


def expected(whole: Book, *, members: int, cost: float, complement: float) -> Expected:
    """The group's mean cost, weighed against the complement (US dollars), which is what the book says of it.

    The interval is normal on the logarithm, so that it has no negative costs: the relative standard error of the
    group's own mean is CV/√n and that of the complement CV/√N, taken as independent, since the group is a small part of
    the book wherever the complement counts.
    """
    observed = cost / members if members else None
    z = whole.credibility(members)
    if not whole.members or not math.isfinite(complement):
        return Expected(observed=observed, credibility=z, cost=None, lower=None, upper=None)
    own = z * observed if observed is not None else 0.0
    pooled = (1.0 - z) * complement
    blended = own + pooled
    error = math.hypot(own / math.sqrt(members) if members else 0.0, pooled / math.sqrt(whole.members))
    if blended <= 0.0 or not math.isfinite(whole.variation):
        return Expected(observed=observed, credibility=z, cost=blended, lower=None, upper=None)
    quantile = normal_quantile((1.0 + whole.rules.interval_coverage) / 2.0)
    width = math.exp(quantile * whole.variation * error / blended)
    return Expected(observed=observed, credibility=z, cost=blended, lower=blended / width, upper=blended * width)
