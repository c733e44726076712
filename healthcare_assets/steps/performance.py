"""Predictions of the last months against the costs that are known by the day: a part of the monitoring step."""

from collections.abc import Mapping
from datetime import date, timedelta

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.key_ranges import KeyRange
from healthcare_assets.domain.monitoring import performance as rules
from healthcare_assets.domain.monitoring.findings import Performance
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.tables import PREDICTIONS, SILVER_PATIENTS, TRAINING_PATIENTS
from healthcare_assets.errors import RegistryError
from healthcare_assets.resources.lakehouse import Frame
from healthcare_assets.steps.outcomes import newest_outcomes
from healthcare_assets.steps.runtime import Runtime, ranges_of


def performance(runtime: Runtime, day: date, *, known: Mapping[str, Floats]) -> tuple[Performance, ...]:
    """What is known on the day of the service days that are followed; nothing of a later day is looked at.

    `known` holds the charges (ascending, US dollars) of models that have been read already, by version.
    """
    lakehouse = runtime.lakehouse
    first = day - timedelta(days=runtime.policy.monitoring.look_back_days)
    partition, since = nw.col(PARTITION_COLUMN), nw.col("service_date") >= nw.lit(first)
    predictions, patients = (
        lakehouse.scan(table).filter(partition >= nw.lit(first), partition <= nw.lit(day))
        for table in (PREDICTIONS, SILVER_PATIENTS)
    )
    observed = lakehouse.scan(OBSERVED_OUTCOMES).filter(partition <= nw.lit(day), since)
    trained_on = lakehouse.scan(TRAINING_PATIENTS).filter(since)
    sums = rules.summed_by_cell(_charges_by_version(runtime, predictions, known))

    def cells(keys: KeyRange) -> pa.Table:
        awaited = rules.awaited(
            keys.of(predictions),
            patients=keys.of(patients),
            outcomes=newest_outcomes(lakehouse, keys.of(observed)),
            trained_on=keys.of(trained_on),
        )
        return lakehouse.collect(rules.cells(lakehouse.map_batches(awaited, sums, columns=rules.SUMMED_COLUMNS)))

    of_all = pa.concat_tables(cells(keys) for keys in ranges_of(lakehouse, predictions))
    return rules.performance(of_all.to_pandas(), day=day, policy=runtime.policy)


def _charges_by_version(runtime: Runtime, predictions: Frame, known: Mapping[str, Floats]) -> dict[str, Floats]:
    """The scale of each model that predicted; of a model that cannot be read, none."""
    versions = runtime.lakehouse.collect(predictions.select("model_version").unique()).to_pylist()
    found = dict(known)
    for version in sorted({row["model_version"] for row in versions} - known.keys()):
        try:
            found[version] = runtime.registry.reference(version).charges
        except RegistryError as error:
            runtime.log(f"Predictions of version {version} are not compared with their costs: {error}")
    return found
