"""A training on more patients than it needs, on either engine: it samples, and everything that tells of it says so."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from healthcare_assets.domain.candidates import CANDIDATES, GLM
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.domain.tables import RISK_FEATURES, SILVER_PATIENTS, TRAINING_PATIENTS
from healthcare_assets.domain.training import train
from healthcare_assets.policy import POLICY
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.resources.source import SyntheticSource
from healthcare_assets.steps import bronze, dimension, features, governance, silver, training
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.runtimes import runtime_at

_SAMPLE = 700
_POLICY = replace(POLICY, training=replace(POLICY.training, maximum_patients=_SAMPLE, bootstrap_resamples=50))


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse with a day of 2,000 patients whose charges are known."""
    folder = tmp_path_factory.mktemp("patients")
    runtime = runtime_at(folder)
    day = runtime.settings.first_day
    runtime.__dict__["source"] = SyntheticSource(SyntheticPopulation(members=2_000), first_day=day)
    for step in (bronze, silver, dimension, features):
        step.run(runtime, day)
    return runtime.settings.lakehouse_root


def _with(patients: Path, lakehouse: Lakehouse, home: Path, said: list[str]) -> Runtime:
    for table in (SILVER_PATIENTS, RISK_FEATURES):
        shutil.copytree(patients / table.name, lakehouse.location(table))
    runtime = replace(runtime_at(home, log=said.append), policy=_POLICY)
    runtime.__dict__["lakehouse"] = lakehouse
    return runtime


def test_more_patients_than_needed_are_sampled_and_it_is_said(
    patients: Path, lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One candidate is enough to be trained on a sample.
    of_the_actuary = tuple(candidate for candidate in CANDIDATES if candidate.name == GLM)
    monkeypatch.setattr(training, "train", partial(train, candidates=of_the_actuary))
    said: list[str] = []
    runtime = _with(patients, lakehouse, tmp_path, said)
    everybody = training.known_patients(lakehouse)
    assert everybody.known == len(everybody.table) > 1_900
    model, members = training.run(runtime)
    in_words = f"{_SAMPLE} of {everybody.known:,} patients whose charges are known, a stratified sample"
    assert said[0] == f"Training the candidates on {in_words}."
    assert model.metadata["patients"] == _SAMPLE
    assert model.metadata["patients_with_known_charges"] == everybody.known
    assert model.metadata["trained_on"] == in_words
    assert members.metadata["appended"] == _SAMPLE
    tags = runtime.registry.tags(runtime.registry.required_version("challenger"))
    assert (tags["patients_trained_on"], tags["patients_with_known_charges"]) == (str(_SAMPLE), str(everybody.known))
    # Those who were trained on are exactly those on record, and the same on either engine.
    on_polars = training.known_patients(PolarsLakehouse(patients), policy=_POLICY).table
    recorded = lakehouse.collect(lakehouse.scan(TRAINING_PATIENTS)).to_pandas()
    assert sorted(recorded["patient_key"]) == sorted(on_polars["patient_key"])
    columns = list(on_polars.columns)
    sample = training.known_patients(lakehouse, policy=_POLICY).table[columns]
    _assert_same(sample, on_polars)
    assert len(sample.merge(everybody.table[columns])) == _SAMPLE

    verdict, _ = governance.run(runtime)
    card = str(verdict.metadata["model_card"])
    assert f"On {_SAMPLE} patients, a stratified sample of the {everybody.known:,} with known costs" in card
    assert (
        f"| trained on | {_SAMPLE} patients, a stratified sample of the {everybody.known:,} with known costs |" in card
    )
    assert lakehouse.version(OBSERVED_OUTCOMES) is None


def _assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    ordered, beside = (frame.sort_values("patient_key", ignore_index=True) for frame in (one, other))
    pd.testing.assert_frame_equal(ordered, beside, check_dtype=False)
