"""A training on more patients than it needs, on either engine: it samples, and everything that tells of it says so."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from healthcare_assets.domain.candidates import CANDIDATES, GLM
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


@pytest.fixture(autouse=True)
def one_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is enough to be trained on a sample: the fastest."""
    fast = tuple(candidate for candidate in CANDIDATES if candidate.name == GLM)
    monkeypatch.setattr(training, "train", partial(train, candidates=fast))


def test_more_patients_than_needed_are_sampled_on_either_engine_alike(
    patients: Path, lakehouse: Lakehouse, tmp_path: Path
) -> None:
    on_polars = PolarsLakehouse(patients)
    known = training.known_patients(on_polars)
    assert known.known == len(known.table) > 1_900
    said: list[str] = []
    runtime = _with(patients, lakehouse, tmp_path, said)
    model, members = training.run(runtime)
    in_words = f"{_SAMPLE} of {known.known:,} patients whose charges are known, a stratified sample"
    assert said[0] == f"Training the candidates on {in_words}."
    assert model.metadata["patients"] == _SAMPLE
    assert model.metadata["patients_with_known_charges"] == known.known
    assert model.metadata["trained_on"] == in_words
    assert members.metadata["appended"] == _SAMPLE
    tags = runtime.registry.tags(runtime.registry.required_version("challenger"))
    assert (tags["patients_trained_on"], tags["patients_with_known_charges"]) == (str(_SAMPLE), str(known.known))
    # On record are exactly those who were trained on; and they are the same on the other engine.
    recorded = lakehouse.collect(lakehouse.scan(TRAINING_PATIENTS)).to_pandas()
    sample = training.known_patients(on_polars, policy=_POLICY).table
    who = ["patient_key", "service_date", "charges"]
    pd.testing.assert_frame_equal(_ordered(recorded[who]), _ordered(sample[who]))
    assert len(sample.merge(known.table)) == _SAMPLE


def test_the_verdict_judges_a_sample_and_the_card_says_so(
    patients: Path, polars_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    runtime = _with(patients, polars_lakehouse, tmp_path, [])
    training.run(runtime)
    verdict, _ = governance.run(runtime)
    of_known = f"{_SAMPLE} patients, a stratified sample of the {training.known_patients(polars_lakehouse).known:,}"
    card = str(verdict.metadata["model_card"])
    assert f"On {of_known} with known costs" in card
    assert f"| trained on | {of_known} with known costs |" in card
    assert "is not known" not in str(verdict.metadata["reasons"])


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("patient_key", ignore_index=True)
