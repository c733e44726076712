"""One trial: a job killed at a moment, what a reader finds then, the job run again, and what is there at the end."""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field
from random import Random
from signal import SIGKILL
from typing import Any

from healthcare_assets_tests.killing.forking import Order
from healthcare_assets_tests.killing.homes import JOBS, Homes
from healthcare_assets_tests.killing.moments import Moment, Seen
from healthcare_assets_tests.killing.warm import Warm

Tables = Mapping[str, Mapping[str, Mapping[str, list[Any]]]]
"""By table, version and part (a day, an append, or the whole): number of rows and digest."""
APPENDED = ("training_patients", "governance_verdict", "champion_history")
_LEAST_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is killed when, and how it is run again."""

    job: str
    moment: Moment
    resume: bool
    """As Dagster retries a run by itself: without the steps that were done. Else the whole job anew."""

    def __str__(self) -> str:
        again = "resumed" if self.resume else "run anew"
        return "; ".join((self.job, self.moment.kind, self.moment.what, str(self.moment.pass_), again))

    @staticmethod
    def parse(text: str) -> "Trial":
        """The trial that `str` has written so."""
        job, kind, what, pass_, again = text.split("; ")
        fields: Any = {"kind": kind, "what": what, "pass_": int(pass_)}
        return Trial(job=job, moment=Moment(**fields), resume=again == "resumed")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a trial."""

    killed: bool
    """False when the job had ended before the moment came."""
    when: str
    """before any commit, between two, or after the last."""
    rows: int
    """That were compared."""
    faults: tuple[str, ...]


@dataclass(kw_only=True)
class Undisturbed:
    """What a job does when nobody kills it."""

    before: dict[str, Any]
    after: dict[str, Any]
    seen: Seen
    seconds: float
    valid: dict[str, dict[str, set[str | None]]] = field(default_factory=dict)
    """By table and part: the digests that it may have, None where it may be absent."""

    def __post_init__(self) -> None:
        for name, versions in self.after["tables"].items():
            states = [*self.before["tables"].get(name, {"": {}}).values(), *versions.values()]
            parts = {part for state in states for part in state}
            self.valid[name] = {part: {_digest(state, part) for state in states} for part in parts}

    @property
    def versions(self) -> dict[str, int]:
        return _newest(self.before["tables"])

    @property
    def commits(self) -> int:
        return _commits(self.after["tables"], self.versions)


class Trials:
    """Trials in a folder, by a process that is warm."""

    def __init__(self, homes: Homes, warm: Warm) -> None:
        self._homes = homes
        self._warm = warm
        self._undisturbed: dict[str, Undisturbed] = {}

    def draw(self, job: str, *, seed: int, number: int) -> Trial:
        """The trial of that number."""
        random = Random(f"{seed}/{number}")  # noqa: S311 - a moment is no secret
        return Trial(job=job, moment=self.undisturbed(job).seen.draw(random), resume=random.random() < 0.5)

    def undisturbed(self, job: str) -> Undisturbed:
        """What the job does when nobody kills it; found out once."""
        if job not in self._undisturbed:
            self._homes.put(JOBS[job].begins_with)
            answer = self._warm.done(self._order(job, watch=True, look_before=True, look_after=True, vacuum=True))
            if answer["status"]:
                raise RuntimeError(f"The job '{job}' fails undisturbed: {answer}; see {self._homes.home}.log.")
            seen: Any = {k: Counter(v) if isinstance(v, dict) else v for k, v in answer["seen"].items()}
            self._undisturbed[job] = Undisturbed(
                before=answer["before"], after=answer["after"], seen=Seen(**seen), seconds=seen["seconds"]
            )
            for faults in (answer["after"]["registry"]["faults"], answer["after"]["lying_about"], answer["unneeded"]):
                if faults:
                    raise RuntimeError(f"The job '{job}' is faulty undisturbed: {faults}.")
        return self._undisturbed[job]

    def run(self, trial: Trial) -> Outcome:
        """Kill, look, run again, look."""
        expected = self.undisturbed(trial.job)
        self._homes.put(JOBS[trial.job].begins_with)
        killed = self._warm.done(self._order(trial.job, moment=trial.moment, seconds=expected.seconds))
        if killed["status"] not in (0, -SIGKILL):
            return _faulty(f"the job failed instead of being killed: {killed}")
        again = self._warm.done(
            self._order(
                trial.job,
                resume=trial.resume,
                look_before=True,
                look_after=True,
                vacuum=True,
                since=None if JOBS[trial.job].forgets else expected.versions,
            )
        )
        if again["status"] and not _nothing_left(trial.job, again):
            return _faulty(f"it could not be run again: {again.get('failed') or again}; see {self._homes.home}.log")
        left, end = again["before"], again["after"]
        on_the_way = _of_another_order(trial.job, left, end)
        commits = _commits(left["tables"], expected.versions)
        return Outcome(
            killed=killed["status"] == -SIGKILL,
            when="before any commit" if not commits else "between" if commits < expected.commits else "after the last",
            rows=_rows(left["tables"]) + _rows(end["tables"]),
            faults=(
                *(f"after the kill: {fault}" for fault in _visible(expected, left)),
                *(f"in the end: {fault}" for fault in _visible(expected, end, but=on_the_way)),
                *(f"in the end: {fault}" for fault in _final(expected, left, end)),
                *(f"nobody's any more: {path}" for path in (*end["lying_about"], *again["unneeded"])),
            ),
        )

    def _order(self, job: str, *, moment: Moment | None = None, seconds: float = 0.0, **what: Any) -> Order:
        work = JOBS[job]
        return Order(
            home=str(self._homes.home),
            variables=self._homes.variables(work.source),
            runs=list(work.runs),
            newest_only=work.forgets,
            moment=None if moment is None else asdict(moment),
            seconds=max(seconds, _LEAST_SECONDS),
            **what,
        )


def _faulty(fault: str) -> Outcome:
    return Outcome(killed=True, when="between", rows=0, faults=(fault,))


def _nothing_left(job: str, again: dict[str, Any]) -> bool:
    """Whether the killed one had done everything, and its repetition says so."""
    said = JOBS[job].nothing_left
    return said is not None and said in (again.get("failed") or "")


def _of_another_order(job: str, left: dict[str, Any], end: dict[str, Any]) -> set[tuple[str, str]]:
    """Versions of the dimension that a backfill passes through when it is run again, by table and version.

    The first day's repetition finds the patients of a later day in silver whose turn in the dimension did not come
    before the kill: those that both days have get their versions of both, as when days arrive in another order. What
    it comes to in the end is the same; that each patient has one current version is a check of the job's own.
    """
    name = "dim_patients"
    if len(JOBS[job].runs) == 1 or name not in end["tables"]:
        return set()
    newest, before = max(map(int, end["tables"][name])), _newest(left["tables"]).get(name, -1)
    return {(name, str(version)) for version in range(before + 1, newest)}


def _visible(expected: Undisturbed, found: dict[str, Any], *, but: Set[tuple[str, str]] = frozenset()) -> list[str]:
    """What a reader could have seen, at any version but these, that no undisturbed run shows."""
    faults = list(found["registry"]["faults"])
    if missing := sorted(expected.before["tables"].keys() - found["tables"].keys()):
        faults.append(f"tables that are gone: {', '.join(missing)}")
    for name, versions in found["tables"].items():
        valid = expected.valid.get(name)
        if valid is None:
            faults.append(f"a table that no undisturbed run makes: {name}")
            continue
        anywhere = set[str | None]().union(*valid.values())
        for version, state in versions.items():
            if (name, version) in but:
                continue
            for part in sorted(valid.keys() | state.keys()):
                rows, digest = state.get(part, (0, None))
                if name in APPENDED:  # a rejected verdict is judged by `_final`
                    whole = digest in anywhere or name == "governance_verdict" or part not in state
                else:
                    whole = digest in valid.get(part, {None})
                if not whole:
                    faults.append(
                        f"{name}, version {version}, {part or 'whole'}: {rows} rows, neither before nor after"
                    )
    return faults


def _final(expected: Undisturbed, left: dict[str, Any], end: dict[str, Any]) -> list[str]:
    """What differs, at the end, from the end of an undisturbed run."""
    faults = []
    wanted, found = _last(expected.after["tables"]), _last(end["tables"])
    for name, parts in wanted.items():
        if name in APPENDED:
            faults += _appended(name, expected, left, end)
        elif found.get(name) != parts:
            faults.append(f"{name} is not as it is without a kill: {found.get(name)} instead of {parts}")
    if end["registry"].get("made_of") != expected.after["registry"].get("made_of"):
        faults.append(f"the champion is another one: {end['registry']} instead of {expected.after['registry']}")
    return faults


def _appended(name: str, expected: Undisturbed, left: dict[str, Any], end: dict[str, Any]) -> list[str]:
    """A killed training leaves its own model and verdict on record, whole, and the next one adds its own.

    When the killed one had come to its promotion, the next one trains the same model again, which is refused: it is not
    better; or, resumed after the training, judges the champion again, with nobody to compare it with. Nothing else may
    be there that an undisturbed run does not write, and nothing may lack.
    """
    wanted = Counter(digest for _, digest in _last(expected.after["tables"])[name].values())
    found = {part: digest for part, (_, digest) in _last(end["tables"])[name].items()}
    faults = []
    if lacking := wanted - Counter(found.values()):
        faults.append(f"{name} lacks {lacking.total()} of what an undisturbed run writes")
    was_promoted = left["registry"]["champion"] != expected.before["registry"]["champion"]
    verdicts = {part for kind in ("rejected", "judged_again") for part in end["registry"].get(kind, ())}
    explained = verdicts if name == "governance_verdict" and was_promoted else set()
    if others := {part for part, digest in found.items() if digest not in wanted} - explained:
        faults.append(f"{name} holds what no undisturbed run writes: {sorted(others)}")
    if (more := len(found) - wanted.total()) > 1:
        faults.append(f"{name} holds {more} more than a killed run and the next one write")
    return faults


def _last(tables: Tables) -> dict[str, Mapping[str, list[Any]]]:
    return {name: versions[str(max(map(int, versions)))] for name, versions in tables.items()}


def _newest(tables: Tables) -> dict[str, int]:
    return {name: max(map(int, versions)) for name, versions in tables.items()}


def _commits(tables: Tables, since: Mapping[str, int]) -> int:
    return sum(newest - since.get(name, -1) for name, newest in _newest(tables).items())


def _rows(tables: Tables) -> int:
    return sum(rows for versions in tables.values() for state in versions.values() for rows, _ in state.values())


def _digest(state: Mapping[str, list[Any]], part: str) -> str | None:
    return state[part][1] if part in state else None
