"""The servable: made of the verified champion, complete in its folder, and refusing as MLflow understands it."""

import ast
import json
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_assets.domain.serving import ANSWER_COLUMNS, RECORD_COLUMNS, REFERENCE
from healthcare_assets.errors import RegistryError, ServingError
from healthcare_assets.resources.model_artifact import COMPILED_FILE, REFERENCE_FILE
from healthcare_assets.resources.registry import ModelRegistry
from healthcare_assets.resources.servable import DISTRIBUTIONS, EXAMPLE_RECORD, PACKAGE_ROOT, Servable, assemble
from healthcare_assets.resources.servable_registry import register_servable, servable_name
from healthcare_assets.steps.catalogue import files_of_module
from healthcare_assets.steps.serving import SERVED_MODULE
from healthcare_assets_tests.champions import promoted, small_model
from healthcare_assets_tests.runtimes import runtime_at

CODE = files_of_module(SERVED_MODULE)
_BROUGHT_BY = {"sqlalchemy": "mlflow", "sklearn": "scikit-learn"}
"""The distribution that a module comes with, where it is not called like it."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> ModelRegistry:
    """With a champion."""
    registry = runtime_at(tmp_path_factory.mktemp("the champion's")).registry
    promoted(registry)
    return registry


def _assembled(registry: ModelRegistry, folder: Path) -> Servable:
    return assemble(registry, registry.required_version("champion"), folder, code=CODE)


@pytest.fixture(scope="module")
def servable(registry: ModelRegistry, tmp_path_factory: pytest.TempPathFactory) -> Servable:
    return _assembled(registry, tmp_path_factory.mktemp("serving") / "1")


@pytest.fixture(scope="module")
def model(servable: Servable) -> Any:
    """As MLflow loads it, signature and all."""
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(servable.folder))


def test_it_holds_the_champions_files_its_code_and_no_pickle(servable: Servable) -> None:
    files = {path.relative_to(servable.folder).as_posix() for path in servable.folder.rglob("*") if path.is_file()}
    assert {f"artifacts/{COMPILED_FILE}", f"artifacts/{REFERENCE_FILE}", "served_model.py"} <= files
    assert {f"code/{path.relative_to(PACKAGE_ROOT).as_posix()}" for path in CODE} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]
    assert [path.name for path in servable.folder.parent.iterdir()] == ["1"], "nothing unfinished is left"


def test_the_code_that_is_served_imports_what_its_requirements_name(servable: Servable) -> None:
    imported = {
        name.split(".")[0]
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    foreign = {_BROUGHT_BY.get(name, name) for name in imported - set(sys.stdlib_module_names)}
    assert foreign - {"healthcare_assets"} <= set(DISTRIBUTIONS)
    required = (servable.folder / "requirements.txt").read_text(encoding="utf-8").split()
    assert [line.partition("==")[0] for line in required] == list(DISTRIBUTIONS)
    assert all(line.partition("==")[2] for line in required)


def test_it_answers_in_a_process_that_has_nothing_else_of_the_project(servable: Servable, tmp_path: Path) -> None:
    script = (
        "import json, sys, mlflow.pyfunc, pandas as pd\n"
        f"model = mlflow.pyfunc.load_model({str(servable.folder)!r})\n"
        f"answers = model.predict(pd.DataFrame([{dict(EXAMPLE_RECORD)!r}]))\n"
        "import healthcare_assets\n"
        "print(json.dumps([healthcare_assets.__file__, answers]))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, check=True, cwd=tmp_path, text=True
    )
    code, [answer] = json.loads(run.stdout)
    assert Path(code).is_relative_to(servable.folder)
    assert tuple(answer) == (REFERENCE, *ANSWER_COLUMNS)
    assert list(tmp_path.iterdir()) == []


def test_the_signature_takes_every_spelling_and_tells_the_answer(model: Any) -> None:
    assert not model.metadata.get_input_schema().required_input_names()
    assert model.metadata.get_output_schema().input_names() == [REFERENCE, *ANSWER_COLUMNS]
    rows = [{**EXAMPLE_RECORD, "smoker": smoker, "children": "2"} for smoker in ("no", False, 0, "FALSE")]
    first, *others = [model.predict(pd.DataFrame([row]))[0] for row in rows]
    assert others == [first] * 3
    assert model.predict(pd.DataFrame(rows)) == [first] * 4


def test_a_refusal_is_a_bad_request_that_nobody_can_put_a_record_into(model: Any) -> None:
    from mlflow.exceptions import MlflowException

    frame = pd.DataFrame([{**EXAMPLE_RECORD, "sex": "Ann"}])
    with pytest.raises(MlflowException) as refused:
        model.predict(frame)
    error = refused.value
    error.message = f"Failed to predict data '{frame}'. \nError: {error.message}"  # as MLflow's scoring server does
    assert error.get_http_status_code() == 400  # type: ignore[no-untyped-call]
    said = json.loads(error.serialize_as_json())  # type: ignore[no-untyped-call]
    assert said["error_code"] == "INVALID_PARAMETER_VALUE"
    assert said["message"] == (
        "The request cannot be scored, and so nothing was: record 1 (sex is not female or male)."
    )


_CELLS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers(), max_size=2))


def test_an_error_that_nobody_foresaw_is_told_by_kind_and_place(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server would log of it may quote the record."""
    champion = model.unwrap_python_model()

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise KeyError("Ada " + "Lovelace")

    monkeypatch.setattr(champion, "_model", Broken())
    with pytest.raises(Exception, match=r"The request met an unexpected KeyError at \S+:\d+ in \w+") as failed:
        model.predict(pd.DataFrame([EXAMPLE_RECORD]))
    assert failed.value.get_http_status_code() == 500  # type: ignore[attr-defined]
    assert "Ada Lovelace" not in "".join(traceback.format_exception(failed.value))


@settings(max_examples=30)
@given(
    records=st.lists(
        st.dictionaries(st.sampled_from([*RECORD_COLUMNS, REFERENCE, "patient_id", "other"]), _CELLS), max_size=3
    ),
    complete=st.booleans(),
)
def test_any_frame_is_answered_or_a_bad_request(model: Any, records: list[dict[str, Any]], complete: bool) -> None:
    from mlflow.exceptions import MlflowException

    sent = [{**EXAMPLE_RECORD, **record} if complete else record for record in records]
    try:
        answered = model.predict(pd.DataFrame(sent))
    except MlflowException as refused:
        assert refused.error_code == "INVALID_PARAMETER_VALUE"  # noqa: PT017 - most examples raise nothing
    else:
        assert len(answered) == len(sent)


def test_a_champion_that_was_changed_is_not_served(tmp_path: Path) -> None:
    registry = runtime_at(tmp_path / "home").registry
    promoted(registry)
    [reference] = tmp_path.rglob(REFERENCE_FILE)
    reference.write_bytes(reference.read_bytes() + b" ")
    with pytest.raises(RegistryError, match="is not the file that was registered"):
        _assembled(registry, tmp_path / "serving" / "1")
    assert list((tmp_path / "serving").iterdir()) == []


def test_a_servable_that_was_changed_is_not_loaded(registry: ModelRegistry, tmp_path: Path) -> None:
    import mlflow.pyfunc

    changed = _assembled(registry, tmp_path / "1")
    compiled = changed.folder / "artifacts" / COMPILED_FILE
    compiled.write_bytes(compiled.read_bytes() + b" ")
    with pytest.raises(RegistryError, match="is not the file that was registered"):
        mlflow.pyfunc.load_model(str(changed.folder))


def test_where_nothing_can_be_written_it_says_so(registry: ModelRegistry, tmp_path: Path) -> None:
    (tmp_path / "serving").write_text("a file")
    with pytest.raises(ServingError, match=r"cannot be written to .*: make room there"):
        _assembled(registry, tmp_path / "serving" / "1")


def _tags(registry: ModelRegistry, version: str) -> Mapping[str, str]:
    tags: Mapping[str, str] = registry.client.get_model_version(servable_name(registry), version).tags
    return tags


def test_it_is_registered_once_for_a_champion_and_again_for_the_next(tmp_path: Path) -> None:
    registry = runtime_at(tmp_path / "the home").registry
    promoted(registry)
    first = _assembled(registry, tmp_path / "a folder")
    assert [register_servable(registry, first, tags={"code_version": "abc"}) for _ in range(2)] == ["1", "1"]
    assert register_servable(registry, _assembled(registry, tmp_path / "another"), tags={}) == "1"
    promoted(registry)
    second = _assembled(registry, tmp_path / "a third")
    assert register_servable(registry, second, tags={}) == "2"
    assert _tags(registry, "1") == {
        "champion": "health_insurance_cost/1",
        "code_version": "abc",
        "servable_digest": first.digest,
    }
    assert registry.version_by_alias("champion") is not None, "the model itself is as it was"
    assert small_model().candidate == registry.tags(registry.required_version("champion"))["candidate"]


def test_other_code_is_another_servable(registry: ModelRegistry, servable: Servable, tmp_path: Path) -> None:
    more = [*CODE, PACKAGE_ROOT / "healthcare_assets" / "story.py"]
    other = assemble(registry, registry.required_version("champion"), tmp_path / "1", code=more)
    assert other.digest != servable.digest
