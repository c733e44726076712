"""A handful of trials, and that killing kills where it is told to; `make trials` runs two hundred."""

import os
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from healthcare_assets_tests.killing.homes import Homes
from healthcare_assets_tests.killing.moments import Moment, Seen
from healthcare_assets_tests.killing.trials import Trial, Trials
from healthcare_assets_tests.killing.warm import Warm
from healthcare_assets_tests.machine import leave_out

JOBS = ("a day anew", "monitoring", "training", "backfill", "maintenance", "erasure", "re-keying")
SEED = 1


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    if not hasattr(os, "pidfd_open"):
        leave_out("trials with killed jobs", lacking="the kernel tells nothing of processes and folders (Linux does)")
    with Warm() as warm:
        yield Trials(Homes(tmp_path_factory.mktemp("killed"), warm), warm)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(JOBS)))
def test_a_job_killed_at_a_random_moment_and_run_again_leaves_what_an_undisturbed_one_does(
    trials: Trials, number: int
) -> None:
    trial = trials.draw(JOBS[number], seed=SEED, number=number)
    repeat = f"python -m healthcare_assets_tests.killing --repeat '{trial}'"
    assert trials.run(trial).faults == (), f"seed {SEED}, trial {number}; repeat it with {repeat}"


@pytest.mark.slow
@pytest.mark.parametrize(("statement", "resume"), [("record()", True), ("if previous is None and", False)])
def test_a_training_killed_before_and_after_the_champion_alias_moves(
    trials: Trials, statement: str, resume: bool
) -> None:
    """Before its record, and right after the move: what random moments seldom meet."""
    moment = Moment(kind="line", what=_line_of(statement))
    assert trials.undisturbed("training").seen.line[moment.what] == 1
    outcome = trials.run(Trial(job="training", moment=moment, resume=resume))
    assert (outcome.killed, outcome.faults) == (True, ())


def _line_of(statement: str) -> str:
    """Where the registry says so, as moments have it."""
    import inspect

    from healthcare_assets.resources import registry

    [number] = [
        number
        for number, line in enumerate(inspect.getsource(registry).splitlines(), 1)
        if line.strip().startswith(statement)
    ]
    return f"resources/registry.py:{number}"


@pytest.mark.slow
def test_a_day_is_killed_while_its_files_are_written(trials: Trials) -> None:
    moment = Moment(kind="disk", what="lakehouse scratch .parquet written", pass_=3)
    outcome = trials.run(Trial(job="a day anew", moment=moment, resume=False))
    assert (outcome.killed, outcome.faults) == (True, ())


def test_a_moment_is_drawn_among_what_was_seen_and_the_same_by_the_same_seed() -> None:
    seen = Seen(line=Counter({"a.py:1": 3}), statement=Counter({"mlflow": 2}), disk=Counter({"made": 1}))
    drawn, again = ([seen.draw(Random(number)) for number in range(200)] for _ in range(2))  # noqa: S311 - no secret
    assert drawn == again
    assert {moment.kind for moment in drawn} == {"line", "statement", "disk", "time"}
    assert {moment.pass_ for moment in drawn if moment.kind == "line"} == {1, 2, 3}


def test_a_trial_is_read_as_it_was_printed() -> None:
    trial = Trial(job="a day anew", moment=Moment(kind="disk", what="lakehouse log .json made", pass_=4), resume=True)
    assert Trial.parse(str(trial)) == trial
