"""The table of pricing; `domain.tables` lists it with the others."""

from healthcare_assets.domain.columns import MONTH, Table, column

PRICING_FACTORS = Table(
    name="pricing_factors",
    description="Expected cost of a member by rating area, age, tobacco and family size, credibility-weighted, and the "
    "premium relativities that the law allows: a row a level, a partition a month.",
    columns=(
        column("dimension", "string", "area, age, tobacco or family; `all` for the whole book."),
        column("level", "string", "The level of the dimension, see docs/pricing.md."),
        column(
            "members",
            "integer",
            "Members of the month whose cost is known; null where that would tell of 1 to 10 persons.",
            nullable=True,
        ),
        column("suppressed", "boolean", "Whether members and costs are withheld: few persons, or a way to them."),
        column("observed_cost", "float", "Mean cost of a member in US dollars a year.", nullable=True),
        column("credibility", "float", "Weight of the observed cost, 0–1 (limited fluctuation).", nullable=True),
        column("expected_cost", "float", "Credibility-weighted cost of a member, US dollars a year.", nullable=True),
        column("expected_lower", "float", "Lower bound of the expected cost's 90 % interval.", nullable=True),
        column("expected_upper", "float", "Upper bound of the expected cost's 90 % interval.", nullable=True),
        column("relativity", "float", "What a premium of the level is multiplied with."),
        column("rule", "string", "What gives the relativity, or bounds it."),
        MONTH,
    ),
    key=("dimension", "level"),
)
