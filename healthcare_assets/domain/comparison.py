"""Champion and challenger, scored on the same held-out patients."""

from healthcare_assets.domain.bootstrap import Floats, estimates
from healthcare_assets.domain.evaluation import Metrics, OutOfFold, ratio, statistics
from healthcare_assets.policy import Policy

R2_GAIN = "risk_score_r2_gain"
MAE_RATIO = "risk_score_mae_ratio"
RECALL_RATIO = "high_risk_recall_ratio"


def compare(challenger: OutOfFold, champion: OutOfFold, *, policy: Policy) -> Metrics:
    """The challenger against the champion, with paired bootstrap intervals: both see the same resamples.

    The two hold the same patients in the same order, on the same scale of scores. `risk_score_r2_gain` is a difference,
    the two others are the challenger's value ÷ the champion's; NaN where the champion's is 0.
    """
    of_challenger, of_champion = statistics(challenger, policy=policy), statistics(champion, policy=policy)

    def paired(weights: Floats) -> dict[str, Floats]:
        new, old = of_challenger(weights), of_champion(weights)
        return {
            R2_GAIN: new["risk_score_r2"] - old["risk_score_r2"],
            MAE_RATIO: ratio(new["risk_score_mae"], old["risk_score_mae"]),
            RECALL_RATIO: ratio(new["high_risk_recall"], old["high_risk_recall"]),
        }

    return estimates(
        paired,
        patients=len(challenger.charges),
        resamples=policy.training.bootstrap_resamples,
        seed=policy.training.seed,
    )
