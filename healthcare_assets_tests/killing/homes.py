"""The jobs that are killed, and the homes that they find: made by the jobs themselves, and copied for each trial.

Every trial has its home at the same path, since MLflow knows its files by absolute paths.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from healthcare_assets.steps.erasure import REQUESTS
from healthcare_assets_tests.killing.forking import Order, Run
from healthcare_assets_tests.killing.warm import Warm
from healthcare_assets_tests.runtimes import KEY
from healthcare_assets_tests.training_populations import made_up_population

FIRST = date(2026, 1, 1)
DAYS = tuple((FIRST + timedelta(days=number)).isoformat() for number in range(4))
MEMBERS = 1200
_COLUMNS = ["patient_id", "age", "sex", "region", "bmi", "smoker", "children", "charges"]
_LONG_AGO_DAYS = 40
"""More than the policy retains."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Runs of Dagster jobs that are one piece of work, and what it begins with."""

    begins_with: str
    runs: tuple[Run, ...]
    source: str = "delivered"
    forgets: bool = False
    """Whether it deletes what earlier versions of the tables consist of."""
    nothing_left: str | None = None
    """What a repetition says when the killed one had come to its end."""


def _scored(*days: str) -> tuple[Run, ...]:
    return tuple(("daily_scoring", day) for day in days)


JOBS: Mapping[str, Job] = {
    "daily scoring": Job(begins_with="two days", runs=_scored(DAYS[2])),
    "a day anew": Job(begins_with="two days", runs=_scored(DAYS[1]), source="corrected"),
    "monitoring": Job(begins_with="three days", runs=(("daily_monitoring", DAYS[2]),)),
    "first training": Job(begins_with="patients", runs=(("training", None),)),
    "training": Job(begins_with="two days", runs=(("training", None),)),
    "backfill": Job(begins_with="champion", runs=_scored(*DAYS[1:4])),
    "maintenance": Job(begins_with="many files", runs=(("maintenance", None),)),
    "erasure": Job(
        begins_with="request", runs=(("erase_patients", None),), forgets=True, nothing_left="No request is in "
    ),
    "re-keying": Job(
        begins_with="two days",
        runs=(("rotate_pseudonym_key", None),),
        forgets=True,
        nothing_left="The next pseudonym key is in use already",
    ),
}


@dataclass(frozen=True, kw_only=True)
class _Home:
    """What comes before, and what is run to make it of that."""

    of: str | None
    runs: tuple[Run, ...]
    source: str = "delivered"
    small_files: bool = False
    erasing: tuple[str, ...] = ()
    """Ids of patients who ask to be erased."""


_HOMES: Mapping[str, _Home] = {
    "patients": _Home(of=None, runs=(("daily_patients", DAYS[0]),)),
    "champion": _Home(of="patients", runs=(("training", None),)),
    "two days": _Home(
        of="champion",
        runs=(*_scored(*DAYS[:2]), ("daily_monitoring", DAYS[1])),
    ),
    "three days": _Home(of="two days", runs=_scored(DAYS[2])),
    "request": _Home(of="two days", runs=(), erasing=("M7", "M300", "M900", "M1199")),
    "many files": _Home(of="two days", runs=_scored(DAYS[1]), source="corrected", small_files=True),
}


class Homes:
    """Homes below a folder, each made when it is first asked for."""

    def __init__(self, folder: Path, warm: Warm) -> None:
        self.home = folder / "home"
        self._folder = folder
        self._warm = warm
        if not (folder / "corrected").exists():
            _deliver(folder / "delivered", seed=0)
            _deliver(folder / "corrected", seed=1)

    def variables(self, source: str) -> dict[str, str]:
        """The environment of a run."""
        temporary = self._folder / "temporary"  # what a killed process leaves in it goes with the trial
        return {
            "HEALTHCARE_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "HEALTHCARE_SOURCE": str(self._folder / source / "members-{date}.csv"),
            "HEALTHCARE_OUTCOMES": str(self._folder / source / "costs-{date}.csv"),
            "HEALTHCARE_PSEUDONYM_KEY": KEY,
            "HEALTHCARE_PSEUDONYM_KEY_NEXT": f"{KEY}, and another",
            "TMPDIR": str(temporary),
        }

    def put(self, name: str) -> None:
        """Make `home` a fresh copy of the named one."""
        kept = self._folder / "homes" / name
        if not kept.exists():
            self._make(name, kept)
        self._clear()
        shutil.copytree(kept, self.home)

    def _make(self, name: str, kept: Path) -> None:
        recipe = _HOMES[name]
        if recipe.of is None:
            self._clear()
            self.home.mkdir(parents=True)
        else:
            self.put(recipe.of)
        answer = self._warm.done(
            Order(
                home=str(self.home),
                variables=self.variables(recipe.source),
                runs=list(recipe.runs),
                small_files=recipe.small_files,
            )
        )
        if answer["status"]:
            raise RuntimeError(f"The home '{name}' could not be made: {answer}; see {self.home}.log.")
        if recipe.small_files:
            _age(self.home / "lakehouse")
        if recipe.erasing:
            (self.home / REQUESTS).mkdir()
            (self.home / REQUESTS / "letter.txt").write_text("\n".join(recipe.erasing), encoding="utf-8")
        kept.parent.mkdir(exist_ok=True)
        self.home.rename(kept)

    def _clear(self) -> None:
        temporary = self._folder / "temporary"
        for path in (self.home, temporary):
            shutil.rmtree(path, ignore_errors=True)
        temporary.mkdir(parents=True)


def _deliver(folder: Path, *, seed: int) -> None:
    """Members who change a little every day, with records that are refused and records that come twice; and costs."""
    folder.mkdir(parents=True)
    members = made_up_population(MEMBERS)
    members = members.assign(patient_id=[f"M{number}" for number in range(MEMBERS)])[_COLUMNS]
    for number, day in enumerate(DAYS):
        random = np.random.default_rng((seed, number)) if number else np.random.default_rng(0)
        moved = random.random(MEMBERS) < 0.05
        members = members.assign(
            region=np.where(moved, "northeast", members["region"]),
            # Costs that follow another rule than the first day's make the second model better than the first.
            charges=members["charges"] * (np.exp(0.03 * (members["age"] - 40)) if number == 1 else 1.0),
        )
        refused = members.sample(20, random_state=seed + number).assign(age=200)
        records = pd.concat([members.drop(refused.index), refused, members.head(30)], ignore_index=True)
        records.to_csv(folder / f"members-{day}.csv", index=False)
        known = members.head(300 * number)[["patient_id", "charges"]].assign(service_date=DAYS[0])
        known.to_csv(folder / f"costs-{day}.csv", index=False)


def _age(lakehouse: Path) -> None:
    """As if everything had been written long ago, with what a writer left that died; so that there is work to do."""
    then = time.time() - _LONG_AGO_DAYS * 86_400
    for table in (log.parent for log in lakehouse.glob("*/_delta_log")):
        file = next(table.rglob("*.parquet"))
        shutil.copy2(file, file.with_name("part-of-a-dead-writer.parquet"))
    for log in lakehouse.glob("*/_delta_log/*.json"):
        actions = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] = int(then * 1000)
        log.write_text("".join(json.dumps(action) + "\n" for action in actions), encoding="utf-8")
    for path in lakehouse.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))
