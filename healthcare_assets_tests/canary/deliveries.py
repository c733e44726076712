"""Files of a source whose every record bears marks: usual days, and everything that can be wrong with a file.

The values are the synthetic population's, so that a model learns something from them; who the records are of is marked.
"""

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.resources.source import SyntheticSource
from healthcare_assets_tests.canary.marks import MARKS_A_RECORD, Person

FIRST_DAY = date(2026, 1, 1)
DAYS = tuple(FIRST_DAY + timedelta(days=number) for number in range(3))
POPULATION = SyntheticPopulation(members=1200, arrivals_per_day=160, changes_per_day=60)

Row = dict[str, str]

_AS_DELIVERED = ("sex", "region", "bmi", "smoker", "children", "charges", "insurance_plan", "timestamp")


def misplaced(person: Person) -> Iterator[Mapping[str, str]]:
    """What slips into columns where it does not belong, one record each."""
    yield {"birth_date": "", "age": person.ssn}
    yield {"birth_date": "", "age": person.ssn.replace("-", "")}
    yield {"birth_date": person.last_name}
    yield {"sex": person.first_name}
    yield {"region": person.address}
    yield {"insurance_plan": person.last_name}
    yield {"smoker": person.email}
    yield {"children": person.zip_code}
    yield {"bmi": person.ssn.replace("-", "")}
    yield {"charges": person.telephone}
    yield {"charges": "9875554711"}
    yield {"charges": person.early_ssn}
    yield {"timestamp": person.birth_date(1950)}
    yield {"coverage_start_date": person.note}
    yield {"zip_code": person.ssn}
    yield {"patient_id": person.ssn}
    yield {"patient_id": ""}


@dataclass
class Deliveries:
    """The files in a folder, and how many marks they bear."""

    folder: Path
    marked: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return str(self.folder / "members-{date}.*")

    @property
    def outcomes(self) -> str:
        return str(self.folder / "outcomes-{date}.csv")

    def usual_days(self) -> None:
        """Three days: CSV; CSV and Parquet, with identifiers in the wrong columns; a few records only. And costs."""
        first, second, third = (self.records(day) for day in DAYS)
        wrong = [{**row, **slip} for row, slip in zip(second, misplaced(Person(4711)), strict=False)]
        self._csv(f"members-{DAYS[0]}.csv", first)
        self._csv(f"members-{DAYS[1]}.csv", [*wrong[::2], *second[len(wrong) : 100]])
        self._parquet(f"members-{DAYS[1]}.parquet", [*wrong[1::2], *second[100:]])
        self._csv(f"members-{DAYS[2]}.csv", third[:30])
        self._csv(f"outcomes-{DAYS[1]}.csv", list(_costs(first, DAYS[0])))

    def refused_day(self, name: str) -> str:
        """A day of which far more than a tenth is refused."""
        rows = self.records(DAYS[1])
        slips = [slip for number in range(3) for slip in misplaced(Person(number))]
        self._csv(name, [{**row, **slip} for row, slip in zip(rows, slips, strict=False)])
        return str(self.folder / name)

    def damaged(self) -> Mapping[str, str]:
        """Files that no run can read, by what is wrong with them."""
        rows = self.records(DAYS[0])[:200]
        whole = self._csv("whole.csv", rows).read_bytes()
        parquet = self._parquet("whole.parquet", rows).read_bytes()
        values = [row | {"smoker": "smoker"} for row in rows[:5]]
        contents = {
            "truncated.parquet": parquet[: len(parquet) // 2],
            # Its end is in order: it is opened, and cannot be read.
            "overwritten.parquet": parquet[:400] + b"\0" * 3000 + parquet[3400:],
            "truncated.csv.gz": gzip.compress(whole)[:-300],
            "no-text.csv": b"\xef\xbb\xbf" + whole + b"\xff\xfe",
            "broken-header.csv": b'patient_id,"' + whole,
            "a-parquet-file.csv": parquet,
            # The first record is where the header belongs, and holds the name of a column of ours.
            "no-header.csv": "\n".join(",".join(_once(row)) for row in values).encode(),
            "no-header-twice.csv": "\n".join(",".join([*_once(row), row["ssn"]]) for row in values).encode(),
            "without-columns.csv": whole.replace(b"smoker", b"tobacco", 1),
        }
        for name, content in contents.items():
            (self.folder / name).write_bytes(content)
        return {name: str(self.folder / name) for name in contents}

    def records(self, day: date) -> list[Row]:
        """The day's synthetic records, each of them somebody's."""
        source = SyntheticSource(POPULATION, first_day=FIRST_DAY)
        rows = [row for batch in source.read(day).batches for row in batch.to_pylist()]
        self.marked += MARKS_A_RECORD * len(rows)
        return [self._marked(row) for row in rows]

    def _marked(self, row: Mapping[str, str | None]) -> Row:
        identity = (row["patient_id"] or "").strip().casefold()
        person = Person(self._numbers.setdefault(identity, len(self._numbers) + 1))
        birth, coverage = row["birth_date"], row["coverage_start_date"]
        return {
            "patient_id": person.patient_id,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "age": "",
            "birth_date": person.birth_date(int(birth[:4])) if birth else "",
            "coverage_start_date": person.coverage_start(int(coverage[:4])) if coverage else "",
            "zip_code": person.zip_code,
            **{name: row[name] or "" for name in _AS_DELIVERED},
            **person.undeclared,
        }

    def _csv(self, name: str, rows: Sequence[Row]) -> Path:
        with (self.folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
            # A record with a field too many, and one whose quotes are broken.
            if name.startswith("members"):
                file.write(",".join([*rows[0].values(), rows[0]["ssn"]]) + "\n")
                file.write(f'"{rows[1]["last_name"]}"x{rows[1]["ssn"]},{rows[1]["email"]}\n')
        return self.folder / name

    def _parquet(self, name: str, rows: Sequence[Row]) -> Path:
        pq.write_table(pa.Table.from_pylist(list(rows)), self.folder / name, compression="none")
        return self.folder / name


def _once(row: Row) -> list[str]:
    """The values that a header of them would have once, and none with a comma in it."""
    return list(dict.fromkeys(value for value in row.values() if value and "," not in value))


def _costs(members: Sequence[Row], day: date) -> Iterator[Row]:
    """What some members turned out to cost, and identifiers where a cost or a day belongs."""
    for row in members[:80]:
        yield {"patient_id": row["patient_id"], "charges": row["charges"] or "1200", "service_date": str(day)} | {
            name: row[name] for name in ("ssn", "notes")
        }
    person = Person(4712)
    for slip in (
        {"charges": person.ssn},
        {"charges": person.early_ssn},
        {"charges": person.last_name},
        {"service_date": person.birth_date(1950)},
        {"service_date": person.email},
        {"patient_id": person.last_name},
        {"patient_id": ""},
    ):
        whole = {"patient_id": members[0]["patient_id"], "charges": "1", "service_date": str(day)}
        yield whole | {"ssn": person.ssn, "notes": person.note} | slip
