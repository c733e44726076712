"""Several writers of one lakehouse, writers that die, and two engines on the same tables."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import narwhals as nw
import pyarrow as pa
import pytest

from healthcare_assets.domain.key_ranges import KeyRange
from healthcare_assets.resources import delta_files
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets_tests.resources.lakehouse_tables import (
    MONDAY,
    TUESDAY,
    VERSIONS,
    VISIT,
    VISITS,
    frame_of,
    numbers_by_day,
    rows_of,
    update,
    version,
    visits,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WRITERS = 7
SPAWN = get_context("spawn")  # Polars' threads do not survive a fork


class Worker:
    """What each process is given when it starts."""

    all_there: ClassVar[Barrier]


def _start(barrier: Barrier) -> None:
    Worker.all_there = barrier


def _write_a_day(root: Path, number: int) -> int:
    lakehouse = PolarsLakehouse(root)
    frame = visits(lakehouse, number)
    Worker.all_there.wait(timeout=60)
    return lakehouse.replace_day(VISITS, MONDAY + timedelta(days=number), frame)


def _write_the_same_day(root: Path, number: int) -> int:
    lakehouse = PolarsLakehouse(root)
    frame = visits(lakehouse, *[number] * (number + 1))
    Worker.all_there.wait(timeout=60)
    return lakehouse.replace_day(VISITS, MONDAY, frame)


def _count_up(root: Path, _: int) -> int:
    Worker.all_there.wait(timeout=60)
    return _add_one(PolarsLakehouse(root))


def _add_one(lakehouse: Lakehouse) -> int:
    def stage(_: KeyRange) -> tuple[Frame, Frame]:
        counters = lakehouse.scan(VERSIONS).with_columns(nw.col("rows") + 1)
        return counters, counters.filter(nw.col("rows") < 0).select("patient", "since")

    return lakehouse.update(VERSIONS, stage)


def _die_while_writing(root: Path) -> None:
    lakehouse = PolarsLakehouse(root)

    def die(_: pa.RecordBatch) -> pa.RecordBatch:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    columns = VISITS.columns[:-1]
    lakehouse.replace_day(VISITS, MONDAY, lakehouse.map_batches(visits(lakehouse, 1), die, columns=columns))


@pytest.fixture(scope="module")
def seven_processes() -> Iterator[Callable[[Callable[[Path, int], int], Path], list[int]]]:
    """Runs a function in seven processes at once, each with its number; returns their results in that order."""
    barrier = SPAWN.Barrier(WRITERS)
    with ProcessPoolExecutor(WRITERS, mp_context=SPAWN, initializer=_start, initargs=(barrier,)) as pool:
        yield lambda function, root: list(pool.map(function, [root] * WRITERS, range(WRITERS)))


Seven = Callable[[Callable[[Path, int], int], Path], list[int]]


@pytest.mark.slow
def test_seven_processes_make_a_table_and_write_a_day_each(seven_processes: Seven, tmp_path: Path) -> None:
    assert seven_processes(_write_a_day, tmp_path) == [1] * WRITERS
    expected = {MONDAY + timedelta(days=number): [number] for number in range(WRITERS)}
    assert numbers_by_day(PolarsLakehouse(tmp_path)) == expected


@pytest.mark.slow
def test_seven_processes_that_write_one_day_come_one_after_the_other(seven_processes: Seven, tmp_path: Path) -> None:
    assert seven_processes(_write_the_same_day, tmp_path) == list(range(1, WRITERS + 1))
    lakehouse = PolarsLakehouse(tmp_path)
    (numbers,) = numbers_by_day(lakehouse).values()
    assert numbers == [numbers[0]] * (numbers[0] + 1)
    assert lakehouse.version(VISITS) == WRITERS


@pytest.mark.slow
def test_seven_updates_at_once_lose_none(seven_processes: Seven, tmp_path: Path) -> None:
    lakehouse = PolarsLakehouse(tmp_path)
    update(lakehouse, [version("a", rows=0), version("b", rows=100)])
    assert seven_processes(_count_up, tmp_path) == [2] * WRITERS
    assert [row["rows"] for row in rows_of(lakehouse, lakehouse.scan(VERSIONS))] == [WRITERS, 100 + WRITERS]


@pytest.mark.slow
def test_a_killed_writer_leaves_neither_rows_nor_files(tmp_path: Path) -> None:
    lakehouse = PolarsLakehouse(tmp_path)
    lakehouse.replace_day(VISITS, TUESDAY, visits(lakehouse, 7))
    writer = SPAWN.Process(target=_die_while_writing, args=(tmp_path,))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    assert numbers_by_day(lakehouse) == {TUESDAY: [7]}

    lakehouse.replace_day(VISITS, MONDAY, visits(lakehouse, 1))
    assert numbers_by_day(lakehouse) == {MONDAY: [1], TUESDAY: [7]}
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    assert [path for path in (tmp_path / ".scratch").iterdir() if path.is_dir()] == []


@pytest.mark.spark
def test_threads_of_one_spark_session_lose_nothing(spark_lakehouse: Lakehouse) -> None:
    """Two days of a new table, one of them twice, and an update that counts, twice."""
    update(spark_lakehouse, [version("a", rows=0)])
    frames = {number: visits(spark_lakehouse, number) for number in (1, 2, 3)}
    days = {1: MONDAY, 2: MONDAY, 3: TUESDAY}
    with ThreadPoolExecutor() as threads:
        written = [threads.submit(spark_lakehouse.replace_day, VISITS, days[n], frame) for n, frame in frames.items()]
        counted = [threads.submit(_add_one, spark_lakehouse) for _ in range(2)]
        assert [future.result() for future in (*written, *counted)] == [1] * 5
    found = numbers_by_day(spark_lakehouse)
    assert found[MONDAY] in ([1], [2])
    assert found[TUESDAY] == [3]
    assert [row["rows"] for row in rows_of(spark_lakehouse, spark_lakehouse.scan(VERSIONS))] == [2]


@pytest.mark.spark
@pytest.mark.parametrize("engine", ["polars", pytest.param("spark", marks=pytest.mark.spark)])
def test_of_writers_who_give_the_same_number_one_comes_first(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Both have seen the same state before either writes; the one that comes second is asked again."""
    polars = PolarsLakehouse(tmp_path)
    lakehouses: list[Lakehouse] = [polars, PolarsLakehouse(tmp_path)]
    if engine == "spark":
        from healthcare_assets.resources.spark_lakehouse import SparkLakehouse

        session = request.getfixturevalue("spark_session")
        lakehouses = [SparkLakehouse(session, str(tmp_path)), SparkLakehouse(session, str(tmp_path))]
    interrupted = False

    def counted(lakehouse: Lakehouse, writer: str) -> tuple[Frame, int]:
        number = 1 + max((row["rows"] for row in rows_of(lakehouse, lakehouse.scan(VERSIONS))), default=0)
        row = {"patient": writer, "since": MONDAY, "note": "", "rows": number}
        return frame_of(lakehouse, VERSIONS, [row]), number

    def overtaken() -> tuple[Frame, int]:
        nonlocal interrupted
        staged = counted(lakehouses[0], "first")
        if not interrupted:
            interrupted = True
            if engine == "polars":  # as from another machine, on which this one's lock says nothing
                (tmp_path / ".locks").rename(tmp_path / ".locks-of-the-first")
            lakehouses[1].append_next(VERSIONS, lambda: counted(lakehouses[1], "second"))
        return staged

    lakehouses[0].append_next(VERSIONS, overtaken)
    found = {row["rows"]: row["patient"] for row in rows_of(polars, polars.scan(VERSIONS))}
    assert found == {1: "second", 2: "first"}


def test_each_engine_reads_and_changes_what_the_other_wrote(tmp_path: Path, spark_session: "SparkSession") -> None:
    from healthcare_assets.resources.spark_lakehouse import SparkLakehouse

    on_polars, on_spark = PolarsLakehouse(tmp_path), SparkLakehouse(spark_session, str(tmp_path))
    writers: list[tuple[Lakehouse, date]] = [(on_polars, MONDAY), (on_spark, TUESDAY)]
    for lakehouse, day in writers:
        frame = frame_of(lakehouse, VISITS, [VISIT], without=["partition_date"])
        lakehouse.replace_day(VISITS, day, frame)
        update(lakehouse, [version("by both", note=lakehouse.engine), version(f"by {lakehouse.engine}")])
    update(on_polars, [], deletes=[{"patient": "by spark", "since": MONDAY}])
    for lakehouse in (on_polars, on_spark):
        assert lakehouse.days(VISITS) == [MONDAY, TUESDAY]
        assert rows_of(lakehouse, lakehouse.scan(VISITS)) == [
            {**VISIT, "partition_date": MONDAY},
            {**VISIT, "partition_date": TUESDAY},
        ]
        assert rows_of(lakehouse, lakehouse.scan(VERSIONS)) == [
            version("by both", note="spark"),
            version("by polars"),
        ]


def test_a_day_of_several_files_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta_files, "ROWS_PER_FILE", 2)
    lakehouse = PolarsLakehouse(tmp_path)
    assert lakehouse.replace_day(VISITS, MONDAY, visits(lakehouse, 1, 2, 3, 4, 5)) == 5
    assert len(list((tmp_path / "visits").rglob("*.parquet"))) == 3
    lakehouse.replace_day(VISITS, MONDAY, visits(lakehouse, 6))
    assert numbers_by_day(lakehouse) == {MONDAY: [6]}


def test_an_update_rewrites_only_the_files_that_hold_its_keys(tmp_path: Path) -> None:
    lakehouse = PolarsLakehouse(tmp_path)

    def files() -> set[str]:
        import deltalake

        return set(deltalake.DeltaTable(tmp_path / "versions").file_uris())

    lakehouse.append(VERSIONS, frame_of(lakehouse, VERSIONS, [version("a"), version("b")]))
    untouched = files()
    lakehouse.append(VERSIONS, frame_of(lakehouse, VERSIONS, [version("c"), version("d")]))
    (touched,) = files() - untouched
    update(lakehouse, [version("c", note="new")])
    assert files() > untouched
    assert touched not in files()
    assert len(files()) == 2
