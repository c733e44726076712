"""The canary: marked records go through all that the graph does, and no mark is found outside of bronze.

Everything runs as a user runs it, in processes of its own. What they write lies in a folder that is searched:
HEALTHCARE_HOME, the user's own folder, the one for temporary files, all that was printed, answered and sent.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import new
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from sqlalchemy import MetaData, Table, create_engine, inspect, select

from healthcare_assets.domain.tables import INSURANCE_PLANS
from healthcare_assets_tests.canary.deliveries import DAYS, Deliveries
from healthcare_assets_tests.canary.marks import SECRET, STEMS, Person
from healthcare_assets_tests.canary.processes import ROOT, Seen, answered, run, running, until, watched
from healthcare_assets_tests.canary.requests import ANSWERED, REQUESTS
from healthcare_assets_tests.canary.search import Hit, Search
from healthcare_assets_tests.loopback import Answer, refusing, serving
from healthcare_assets_tests.machine import require_spark
from healthcare_assets_tests.postgres import postgres_server

pytestmark = pytest.mark.slow

TABLES = ("bronze_patients", "silver_patients")
NOBODY = 65534
_SEARCHED = ("home", "user", "temporary", "said")


@dataclass
class Canary:
    """A folder with all that was written, what was sent, and what was to be seen of the processes meanwhile."""

    folder: Path
    seen: Seen = field(default_factory=Seen)
    alerts: list[Any] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("deliveries", *_SEARCHED):
            (self.folder / name).mkdir()
        # Somebody has made it before us, open to everybody.
        self.home.chmod(0o755)
        (self.home / "lakehouse").mkdir(mode=0o755)
        self.deliveries = Deliveries(self.folder / "deliveries")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def bronze(self) -> Path:
        return self.home / "lakehouse" / "bronze_patients"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder / "user"),
            "TMPDIR": str(self.folder / "temporary"),
            "PYTHONWARNINGS": "ignore",
            "HEALTHCARE_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "HEALTHCARE_SOURCE": self.deliveries.source,
            "HEALTHCARE_OUTCOMES": self.deliveries.outcomes,
            "HEALTHCARE_PSEUDONYM_KEY": f"{SECRET}-of-the-pseudonyms",
            "DATABRICKS_TOKEN": f"dapi-{SECRET}",
        }

    def said(self, name: str) -> Path:
        return self.folder / "said" / name

    def jobs(self, *orders: tuple[str, str], **variables: str) -> Mapping[str, str]:
        """Patients' steps of the third day, an order (name, source) after the other; how each ended."""
        said = self.said("jobs")
        run(
            "healthcare_assets_tests.canary.jobs",
            variables={**self.variables, **variables},
            said=said,
            stdin=json.dumps(
                [{"name": n, "job": "daily_patients", "day": str(DAYS[2]), "source": source} for n, source in orders]
            ),
        )
        return dict(re.findall(r"^([\w.-]+): (success|failure)$", said.read_text(encoding="utf-8"), re.MULTILINE))

    def searched(self) -> Search:
        search = Search(stems=STEMS)
        for name in _SEARCHED:
            search.folder(self.folder / name, leaving_out=[self.bronze])
        search.content(json.dumps(self.alerts).encode(), "alerts")
        search.content(b"\n".join(body for _, body in self.answers), "answers")
        search.content(b"\n".join(sorted(self.seen.command_lines)), "command lines")
        return search


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Canary:
    """It has flown: usual days, then files that fail, then the UI with its daemon, then requests to the champion."""
    flown = Canary(tmp_path_factory.mktemp("canary"))
    flown.deliveries.usual_days()
    with watched() as flown.seen:
        assert run("healthcare_assets", variables=flown.variables, said=flown.said("walkthrough")) == 0
        _fail(flown)
        _open_the_ui(flown)
        _serve(flown)
    return flown


def _fail(canary: Canary) -> None:
    refused = canary.deliveries.refused_day("refused.csv")
    # The last one, since its fault stays in the process.
    orders = [*canary.deliveries.damaged().items(), ("refused", refused), ("unforeseen", canary.deliveries.source)]
    ended = canary.jobs(*orders, HEALTHCARE_FIRST_DAY=str(DAYS[2]))
    assert set(ended) == {name for name, _ in orders}
    assert set(ended.values()) == {"failure"}, ended


def _open_the_ui(canary: Canary) -> None:
    """As `make dev` does, at another port; its daemon tells what failed."""

    def receive(method: str, path: str, body: Any) -> Answer:
        canary.alerts.append(body)
        return 200, {}

    [command] = re.findall(r"^\t@\$\(BIN\)/(dagster dev .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    with serving(receive) as alerts, refusing() as port:
        url = f"json://{SECRET}:{SECRET}@127.0.0.1:{alerts}/{SECRET}"
        words = command.replace("$(DEV_PORT)", str(port)).split()
        program = str(Path(sys.executable).with_name(words[0]))
        variables = {**canary.variables, "HEALTHCARE_ALERT_URLS": url}
        with running([program, *words[1:]], variables=variables, said=canary.said("dev")):
            until(lambda: answered(f"http://127.0.0.1:{port}/server_info"), "the UI")
            until(lambda: canary.alerts, "an alert")


def _serve(canary: Canary) -> None:
    with refusing() as port:
        command = [sys.executable, "-m", "healthcare_assets.serve"]
        variables = {**canary.variables, "HEALTHCARE_SERVE_PORT": str(port)}
        with running(command, variables=variables, said=canary.said("serve")):
            until(lambda: answered(f"http://127.0.0.1:{port}/ping"), "the scoring server")
            for path, body, kind in REQUESTS:
                request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, method="POST")
                request.add_header("Content-Type", kind)
                canary.answers.append(answered(request) or (0, b""))


def _one_a_place(hits: list[Hit]) -> list[str]:
    return sorted({f"{hit.kind} in {hit.place} ({', '.join(hit.how)}): {hit.excerpt}" for hit in hits})[:20]


def test_no_mark_is_found_outside_of_bronze(
    canary: Canary, capsys: pytest.CaptureFixture[str], record_property: Any
) -> None:
    search = canary.searched()
    counts = {
        "marks": canary.deliveries.marked,
        "files": search.files,
        "bytes": search.bytes_read,
        "bytes_decoded": search.bytes_decoded,
        "found": len(search.hits),
    }
    for name, count in counts.items():
        record_property(name, count)
    with capsys.disabled():
        print(  # noqa: T201 - what was done, for whoever reads the log
            "\nCanary: {marks:,} marks searched for in {files:,} files, {bytes:,} bytes ({bytes_decoded:,} with what "
            "they were decoded to); found: {found}.".format(**counts)
        )
    assert _one_a_place(search.hits) == []
    assert search.files > 150


def test_the_marks_are_in_bronze_so_that_to_find_none_elsewhere_says_something(canary: Canary) -> None:
    search = Search()
    search.folder(canary.bronze)
    assert {hit.kind for hit in search.hits} == {stem.kind for stem in STEMS} - {"secret"}


def test_records_in_the_wrong_columns_are_in_quarantine_without_them(canary: Canary) -> None:
    table = pl.from_arrow(DeltaTable(canary.home / "lakehouse" / "quarantined_patients").to_pyarrow_table())
    assert isinstance(table, pl.DataFrame)
    refused = table.filter(pl.col("partition_date") == DAYS[1])
    assert refused.height > 12
    assert {"age is not a number", "age is outside 0–120 years", "charges is over 100,000,000 dollars"} <= set(
        refused["reasons"].explode()
    )
    kept = {column: set(refused[column].drop_nulls()) for column in ("sex", "region", "insurance_plan", "zip3")}
    assert kept["sex"] <= {"female", "male"}
    assert kept["region"] <= {"northeast", "northwest", "southeast", "southwest"}
    assert kept["insurance_plan"] <= set(INSURANCE_PLANS)
    assert kept["zip3"] <= {"021"}
    assert refused["patient_key"].drop_nulls().str.contains("^[0-9a-f]{32}$").all()


def test_no_pseudonym_is_a_plain_hash_of_an_id(canary: Canary) -> None:
    table = DeltaTable(canary.home / "lakehouse" / "dim_patients").to_pyarrow_table(columns=["patient_key"])
    keys = set(table["patient_key"].to_pylist())
    ids = [Person(number).patient_id for number in range(1, len(keys) + 20)]
    spellings = [spelling.encode() for text in ids for spelling in (text, text.lower(), text.upper())]
    hashed = {new(name, text).hexdigest()[:32] for name in ("md5", "sha1", "sha256") for text in spellings}
    assert len(hashed) > len(keys) > 1200
    assert not keys & hashed


def test_every_way_to_fail_has_failed_and_is_told(canary: Canary) -> None:
    said = canary.said("jobs").read_text(encoding="utf-8")
    for sentence in (
        "cannot be read as Parquet, it is damaged or incomplete",
        "is not a complete gzip file",
        "is marked as UTF-8 and is not",
        "has a header line that cannot be split into columns",
        "is a Parquet file and not CSV",
        "has no column age or birth_date, sex, region, bmi, children: add or rename it; found were smoker.",
        "has no column smoker",
        "are quarantined; the limit is 10%",
        "The step silver stopped with an unexpected ValueError at ",
    ):
        assert sentence in said, sentence
    assert "daily_patients" in json.dumps(canary.alerts)


def test_requests_are_answered_or_refused_and_quoted_in_neither_case(canary: Canary) -> None:
    statuses = [status for status, _ in canary.answers]
    assert statuses[: len(ANSWERED)] == [200] * len(ANSWERED)
    assert set(statuses[len(ANSWERED) :]) <= {400, 404, 405}
    assert len(statuses) == len(REQUESTS)


def test_only_who_wrote_bronze_reads_it(canary: Canary) -> None:
    """Whatever the folders above it were made with."""
    assert stat.S_IMODE(canary.bronze.stat().st_mode) == 0o700
    if os.geteuid() != 0:
        return
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        Path(folder).chmod(0o755)
        for table in TABLES:
            shutil.copytree(canary.home / "lakehouse" / table, Path(folder) / table)
        listed = [_lists(Path(folder) / table, user=NOBODY) for table in TABLES]
    assert listed == [False, True]


def _lists(folder: Path, *, user: int) -> bool:
    return subprocess.run(["ls", folder], user=user, capture_output=True, check=False).returncode == 0


def test_everything_local_listens_on_the_loopback_alone(canary: Canary) -> None:
    """The UI with its daemon and code servers, the scoring server, and what a run starts."""
    assert len(canary.seen.addresses) >= 2
    assert canary.seen.beyond_loopback == set()
    assert any(b"dagster" in line and b"webserver" in line for line in canary.seen.command_lines)


def test_nothing_of_a_failed_run_is_in_the_database_of_a_deployment(tmp_path: Path) -> None:
    with postgres_server() as url, watched() as seen:
        canary = Canary(tmp_path, seen=seen)
        canary.deliveries.usual_days()
        database = url.replace("a-password", SECRET)
        ended = canary.jobs(("unforeseen", canary.deliveries.source), HEALTHCARE_DAGSTER_DATABASE=database)
        assert ended == {"unforeseen": "failure"}
        stored = _dumped(url)
    assert b"unexpected ValueError" in stored
    search = canary.searched()
    search.content(stored, "PostgreSQL")
    assert _one_a_place(search.hits) == []


def _dumped(url: str) -> bytes:
    """Every value of every row of Dagster's storage."""
    engine = create_engine(url)
    with engine.connect() as database:
        tables = [Table(name, MetaData(), autoload_with=database) for name in inspect(database).get_table_names()]
        values = [value for table in tables for row in database.execute(select(table)) for value in row]
    engine.dispose()
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


@pytest.mark.spark
def test_no_mark_is_found_outside_of_bronze_on_spark(tmp_path: Path) -> None:
    require_spark()
    canary = Canary(tmp_path)
    canary.deliveries.usual_days()
    source = canary.deliveries.source
    ended = canary.jobs(("usual", source), ("unforeseen", source), HEALTHCARE_ENGINE="spark")
    assert ended == {"usual": "success", "unforeseen": "failure"}
    assert _one_a_place(canary.searched().hits) == []
    assert stat.S_IMODE(canary.bronze.stat().st_mode) == 0o700
