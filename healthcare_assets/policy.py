"""Every threshold of the system, once.

The numbers are the contract's: promotion criteria, alerts, plausible ranges, risk bands. Nothing else in the project
repeats one of them; a change here changes the behaviour, the checks and what the summary prints.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class PlausibleRanges:
    """Ranges outside which a source record is refused. All bounds are inclusive."""

    age_years: tuple[int, int] = (0, 120)
    bmi: tuple[float, float] = (10.0, 100.0)
    children: tuple[int, int] = (0, 20)
    charges: tuple[float, float] = (0.0, 100_000_000.0)
    """US dollars a year. Over it lie no costs, but telephone and social security numbers that slipped a column."""
    coverage_lead_days: int = 366
    """How far after the delivery a coverage may start: open enrolment runs months ahead, not years."""


@dataclass(frozen=True, kw_only=True)
class RiskBands:
    """Bands on the risk score (percentile, 0–100)."""

    medium_from: float = 30.0
    high_from: float = 60.0
    critical_from: float = 85.0
    high_risk_above: float = 75.0
    review_above: float = 90.0
    smoker_review_above: float = 60.0
    adjusted_minimum: float = 10.0
    high_cost_quantile: float = 0.95


@dataclass(frozen=True, kw_only=True)
class PromotionCriteria:
    """What a model must show, out of fold, before it may become champion."""

    risk_score_r2_minimum: float = 0.70
    risk_score_mae_maximum: float = 15.0
    high_risk_recall_minimum: float = 0.60
    high_risk_share: float = 0.05
    """The true top 5 % by charges, and the model's own top 5 %."""
    predictive_ratio_tolerance: float = 0.02
    """How far Σ predicted ÷ Σ actual may be from 1, where the difference is more than chance."""
    label_correlation_maximum: float = 0.98
    """Rank correlation with the label from which on a feature is the label in disguise."""
    worse_than_champion_maximum: float = 0.05
    """By how much of the champion's a challenger's error may be larger, and its recall smaller."""
    inference_sample: int = 500
    """Patients of the newest day whom a candidate scores on trial before an alias moves."""


@dataclass(frozen=True, kw_only=True)
class FairnessRules:
    """When a group's predicted cost is biased, and when nobody can tell."""

    bias_maximum: float = 0.10
    """Of |Σ predicted ÷ Σ actual − 1|, where its interval excludes 0."""
    minimum_patients: int = 100
    interval_half_width_maximum: float = 0.10
    recall_gap_maximum: float = 0.10
    known_share_minimum: float = 0.25
    """Share of the patients whose costs must be known: below it, the verdict on bias is provisional."""


@dataclass(frozen=True, kw_only=True)
class TrainingRules:
    """How candidates are trained and evaluated."""

    folds: int = 5
    seed: int = 20260101
    interval_coverage: float = 0.90
    bootstrap_resamples: int = 1000
    minimum_patients: int = 500
    maximum_patients: int = 50_000
    """Of more, a stratified sample of so many is trained on. Twice as many take two to three times as long and add next
    to nothing: to the R² of charges of the best candidate 0.0002 where costs can be explained (0.9306, interval 0.923
    to 0.936) and 0.001 where they hardly can (0.039, 0.029 to 0.048), to that of histogram boosting 0.002 and 0.003,
    each a fraction of the interval. The whole curve is in docs/model.md; `make bench` measures it."""
    minimum_high_risk_patients: int = 25


@dataclass(frozen=True, kw_only=True)
class DataRules:
    """What a day's data must satisfy."""

    quarantine_rate_maximum: float = 0.10
    low_volume_below: int = 50


@dataclass(frozen=True, kw_only=True)
class DriftRules:
    """When a day's data differ from the champion's training population by more than chance, and by enough to matter."""

    psi_maximum: float = 0.30
    """Of the population stability index; on few patients its own sampling bound is higher and holds instead."""
    psi_certainty: float = 0.9999
    """Quantile of χ² at which the sampling bound lies: at 0.999 a dozen columns of 50 patients are loud on one day in a
    hundred."""
    shift_maximum: float = 0.147
    """Of Cliff's delta of a numeric column: beyond it a shift is more than negligible (Romano et al. 2006)."""
    share_shift_maximum: float = 0.20
    """Of Cohen's h of a category's share: from there on a shift is small, and no longer negligible (Cohen 1988)."""
    certainty: float = 0.9999
    """How sure a shift has to be: a day has some forty chances to be wrong."""
    new_category_share_maximum: float = 0.01
    new_category_rows_minimum: int = 5
    """Fewer may be slips of the pen."""
    null_rate_increase_maximum: float = 0.02
    null_rate_tolerated: float = 0.005
    """Every delivery has a few unreadable values, which the training population, being clean, has not."""


@dataclass(frozen=True, kw_only=True)
class MonitoringRules:
    """How predictions are compared with what patients turned out to cost."""

    matured_share: float = 0.90
    """Share of a day's awaited costs from which on the day counts as matured."""
    outcomes_due_days: int = 60
    """Days after the service date by which the costs of a day have to be known."""
    look_back_days: int = 90
    """Service days that are followed."""
    window_outcomes: int = 1000
    """Groups are compared over the newest matured days that together hold so many outcomes ..."""
    window_days: int = 30
    """... but over no more days than these."""
    certainty: float = 0.9999
    """How sure a group's bias has to be: a day has a dozen groups, and every day is looked at."""
    minimum_outcomes: int = 30
    """Outcomes below which a day's error is not known."""
    history_days: int = 30
    """Days that the report looks back on."""


@dataclass(frozen=True, kw_only=True)
class RetrainingRules:
    """When a model is trained anew without waiting for the month's end."""

    drift_days: int = 2
    of_last_days: int = 5
    """Drift on so many of the last days, the newest among them, asks for retraining."""
    cool_down_days: int = 7
    """Days after a retraining was asked for during which it is not asked for again."""


@dataclass(frozen=True, kw_only=True)
class AlertRules:
    """How hard an alert is tried to be delivered, and when many become one."""

    messages_at_once: int = 5
    """If more fall due at once, they are sent as one."""
    first_retry_seconds: int = 60
    longest_retry_seconds: int = 3600
    given_up_after_hours: int = 24


@dataclass(frozen=True, kw_only=True)
class ServingRules:
    """What a request for predictions may ask."""

    maximum_records: int = 10_000
    longest_reference: int = 100
    """Characters."""
    maximum_body_bytes: int = 16 * 1024 * 1024
    """As much as a serving endpoint of Databricks takes."""


@dataclass(frozen=True, kw_only=True)
class CareRules:
    """Who is put before a care manager beside those whom `RiskBands` flags, and how many at most."""

    capacity: int = 50
    """Patients a day, unless HEALTHCARE_CARE_CAPACITY says otherwise: what two or three people can call."""
    risen_points: float = 15.0
    """A rise of the risk score by so many points is a reason by itself. By less the score may be off anyway: it is as
    much as `PromotionCriteria.risk_score_mae_maximum` lets a champion err on average."""
    risen_from_category: str = "medium"
    """Below it nobody is called because of a rise: from 2 to 20 points is still better than four in five."""
    look_back_days: int = 366
    """How far back the last score is looked for: the year of coverage. Against one of longer ago a change says nothing
    of what has happened lately."""


@dataclass(frozen=True, kw_only=True)
class MaintenanceRules:
    """How large files of tables are to be, and how long those are kept that were replaced."""

    file_bytes: int = 100_000_000
    """About as much as the two million patients that a writer puts into a file: large enough to read fast, small enough
    for several readers at once."""
    small_file_bytes: int = 25_000_000
    """Two files below this size in a day, or in an undated table, are worth a compaction. Above it a rewriting costs
    more than it spares the readers."""
    retention_days: int = 30
    """Days for which every past version can be read: verdicts and trainings name the versions of the tables that they
    stand on. Delta forgets the log of older versions by default, so that files kept longer would serve nobody."""


@dataclass(frozen=True, kw_only=True)
class RetentionRules:
    """How many days are kept, by what they hold. Files of the past go with `MaintenanceRules.retention_days` after."""

    identifiers: int = 90
    """Bronze: long enough to read a quarter's deliveries anew."""
    patients: int = 3 * 365 + 1
    """Whatever has a row a patient: two years of history beside the one that is insured."""
    records: int = 6 * 365 + 2
    """Decisions, their evidence and the audit trail: six years (45 CFR 164.316(b)(2)(i))."""


@dataclass(frozen=True, kw_only=True)
class PricingRules:
    """How costs are weighed, and what the law allows of a premium (45 CFR 147.102)."""

    credibility_probability: float = 0.90
    credibility_tolerance: float = 0.05
    """Full credibility: the mean cost lies within the tolerance with the probability."""
    interval_coverage: float = 0.90
    cost_days: int = 365
    """Costs of services up to so many days before the month's end are known costs."""
    adult_age: int = 21
    age_ratio_maximum: float = 3.0
    """Of adults, between any two ages."""
    tobacco_age: int = 21
    """From which on tobacco may be rated."""
    tobacco_ratio_maximum: float = 1.5
    rated_children_maximum: int = 3
    """Under 21: more of a family's are not charged for."""
    rounding: float = 1e-9
    """By which share a ratio may be over its limit: published factors have three digits, and their ratio rounds."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """All thresholds together."""

    ranges: PlausibleRanges = field(default_factory=PlausibleRanges)
    bands: RiskBands = field(default_factory=RiskBands)
    promotion: PromotionCriteria = field(default_factory=PromotionCriteria)
    fairness: FairnessRules = field(default_factory=FairnessRules)
    training: TrainingRules = field(default_factory=TrainingRules)
    data: DataRules = field(default_factory=DataRules)
    drift: DriftRules = field(default_factory=DriftRules)
    monitoring: MonitoringRules = field(default_factory=MonitoringRules)
    retraining: RetrainingRules = field(default_factory=RetrainingRules)
    alerts: AlertRules = field(default_factory=AlertRules)
    serving: ServingRules = field(default_factory=ServingRules)
    care: CareRules = field(default_factory=CareRules)
    maintenance: MaintenanceRules = field(default_factory=MaintenanceRules)
    retention: RetentionRules = field(default_factory=RetentionRules)
    pricing: PricingRules = field(default_factory=PricingRules)


POLICY = Policy()
