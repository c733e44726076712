"""Steps are at work beside each other, and an erasure or a rotation alone."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.at_work import alone, beside_others

PATIENCE_S = 60


def _nobody_waits() -> None:
    raise AssertionError("nobody is alone")


def test_steps_are_at_work_beside_each_other(tmp_path: Path) -> None:
    with beside_others(tmp_path, waits=_nobody_waits), beside_others(tmp_path, waits=_nobody_waits):
        pass


def test_nobody_is_alone_while_a_step_is_at_work_and_then_anybody(tmp_path: Path) -> None:
    with (
        beside_others(tmp_path, waits=_nobody_waits),
        pytest.raises(LakehouseError, match=r"^Others are at work on the tables in .+: run this again when they"),
        alone(tmp_path),
    ):
        pass
    with alone(tmp_path):
        pass


def test_of_two_who_would_be_alone_the_second_is_told(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(LakehouseError, match=r"^Others are at work"), alone(tmp_path):
        pass


def test_a_step_says_that_it_waits_and_goes_on_when_whoever_is_alone_has_ended(tmp_path: Path) -> None:
    waiting, done, order = threading.Event(), threading.Event(), []

    def step() -> None:
        with beside_others(tmp_path, waits=waiting.set):
            order.append("the step")
        done.set()

    thread = threading.Thread(target=step)
    with alone(tmp_path):
        thread.start()
        assert waiting.wait(PATIENCE_S)
        order.append("whoever is alone")
    assert done.wait(PATIENCE_S)
    thread.join()
    assert order == ["whoever is alone", "the step"]


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    holding = (
        "import sys; from pathlib import Path; from healthcare_assets.resources.at_work import alone\n"
        "with alone(Path(sys.argv[1])):\n    print('alone', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alone\n"
        with pytest.raises(LakehouseError), alone(tmp_path):
            pass
        process.kill()
    with alone(tmp_path):
        pass
