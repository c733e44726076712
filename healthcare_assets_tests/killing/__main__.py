"""Kill jobs at random moments, and say what was found: `python -m healthcare_assets_tests.killing --trials 200`."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from healthcare_assets_tests.killing.homes import JOBS, Homes
from healthcare_assets_tests.killing.trials import Outcome, Trial, Trials
from healthcare_assets_tests.killing.warm import Warm


def main() -> int:
    parser = argparse.ArgumentParser(prog="healthcare_assets_tests.killing", description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial")
    parser.add_argument("--job", choices=JOBS, help="kill this one only")
    parser.add_argument("--repeat", help="one trial, as a failing one was printed")
    parser.add_argument("--folder", type=Path, help="where homes are made, and kept afterwards")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, Warm() as warm:
        folder = (given.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        trials = Trials(Homes(folder, warm), warm)
        if given.repeat:
            outcome = trials.run(Trial.parse(given.repeat))
            say(f"{outcome}")
            return len(outcome.faults)
        jobs = [given.job] if given.job else list(JOBS)
        return killed_at_random(trials, jobs, range(given.first, given.trials), seed=given.seed)


def killed_at_random(trials: Trials, jobs: Sequence[str], numbers: range, *, seed: int) -> int:
    """Run the trials, each job in turn; returns how many faults there were, and prints them as they come."""
    done: list[tuple[Trial, Outcome]] = []
    for number in numbers:
        trial = trials.draw(jobs[number % len(jobs)], seed=seed, number=number)
        outcome = trials.run(trial)
        done.append((trial, outcome))
        say(f"{number:4} {trial}: {'killed' if outcome.killed else 'ended first'}, {outcome.when}")
        for fault in outcome.faults:
            say(f"     FAULT (seed {seed}, trial {number}): {fault}")
        if outcome.faults:
            say(f"     python -m healthcare_assets_tests.killing --repeat '{trial}'")
    say(summary(done))
    return sum(len(outcome.faults) for _, outcome in done)


def summary(done: list[tuple[Trial, Outcome]]) -> str:
    """The figures."""
    lines = [f"{'job':16} trials  killed  before any commit  between  after the last    rows compared"]
    for job in JOBS:
        of_job = [outcome for trial, outcome in done if trial.job == job]
        when = Counter(outcome.when for outcome in of_job if outcome.killed)
        lines.append(
            f"{job:16} {len(of_job):6}  {when.total():6}  {when['before any commit']:17}  {when['between']:7}  "
            f"{when['after the last']:14}  {sum(outcome.rows for outcome in of_job):15,}"
        )
    kinds = Counter(trial.moment.kind for trial, _ in done)
    lines.append("moments: " + ", ".join(f"{number} by {kind}" for kind, number in kinds.most_common()))
    lines.append(f"{sum(outcome.rows for _, outcome in done):,} rows compared")
    lines.append(f"{len(done)} trials, {sum(len(outcome.faults) for _, outcome in done)} faults")
    return "\n".join(lines)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(min(main(), 1))
