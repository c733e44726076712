"""What every asset is found by in the UI, besides group, owner and kind: the patient data in it, and its cadence.

The selection `tag:patient_data=phi` gives what holds identifiers, `tag:cadence=monthly` what is made once a month.
"""

from collections.abc import Mapping

from healthcare_assets.domain.columns import PATIENT_KEY
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.steps.catalogue import Step, step_for

_WITHOUT_A_DAY: Mapping[str, str] = {
    "training": "monthly",
    "governance": "monthly",
    "serving": "on_promotion",
    "retention": "weekly",
    "maintenance": "weekly",
    "audit": "weekly",
}
"""How often the steps run that have no partitions; a training also when the retraining sensor asks for it."""


def tags_of(asset: str) -> dict[str, str]:
    """The asset's tags. KeyError for one whose step has no partitions and no cadence here.

    `patient_data` is `phi` (identifiers, as delivered), `de_identified` (rows of patients under pseudonyms) or
    `no_patient_rows` (figures about many, decisions, models, files). `cadence` is `daily`, `weekly`, `monthly` or
    `on_promotion`.
    """
    return {"patient_data": _patient_data(asset), "cadence": _cadence(step_for(asset))}


def _patient_data(asset: str) -> str:
    table = TABLES.get(asset)
    if table is not None and table.identifying:
        return "phi"
    return "de_identified" if table is not None and PATIENT_KEY.name in table.column_names else "no_patient_rows"


def _cadence(step: Step) -> str:
    if step.monthly:
        return "monthly"
    return "daily" if step.daily else _WITHOUT_A_DAY[step.name]
