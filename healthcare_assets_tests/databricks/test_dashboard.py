"""The dashboard: every widget's query runs on the tables as they are declared, and tells of no small cell."""

import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from databricks_steps.dashboard import dashboard
from databricks_steps.dashboard.datasets import DATASETS
from databricks_steps.dashboard.widgets import COLUMNS
from healthcare_assets.domain.care import CARE_MANAGEMENT, RISEN
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.population.tables import ATTRIBUTES, POPULATION_HEALTH
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS
from healthcare_assets.domain.tables import GOVERNANCE_VERDICT, PREDICTIONS, TABLES
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps.runtime import content_of
from healthcare_assets_tests.resources.lakehouse_tables import frame_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Json = dict[str, Any]

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
MONTH = date(2026, 1, 1)
VERSIONS = {"counter": 2, "table": 2, "bar": 3, "line": 3}


def _widgets() -> Iterator[Json]:
    for page in dashboard()["pages"]:
        for placed in page["layout"]:
            yield placed["widget"]


def _shown() -> list[Json]:
    return [widget for widget in _widgets() if "queries" in widget]


def _encoded(widget: Json) -> list[str]:
    encodings = widget["spec"]["encodings"]
    columns = encodings.get("columns", [part for name, part in encodings.items() if name != "columns"])
    return [column["fieldName"] for column in columns]


def test_every_widget_asks_for_the_fields_that_it_shows_in_the_version_of_its_kind() -> None:
    for widget in _shown():
        ((query,), spec) = (widget["queries"], widget["spec"])
        assert query["query"]["datasetName"] in DATASETS
        assert [field["name"] for field in query["query"]["fields"]] == _encoded(widget)
        assert spec["version"] == VERSIONS[spec["widgetType"]]
        assert spec["frame"] == {"showTitle": True, "title": spec["frame"]["title"]}
    shown = {widget["queries"][0]["query"]["datasetName"] for widget in _shown()}
    assert shown == set(DATASETS), "a dataset that nothing shows"


def test_names_are_unique_and_widgets_do_not_lie_on_each_other() -> None:
    names = [widget["name"] for widget in _widgets()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}", name) for name in names)
    for page in dashboard()["pages"]:
        taken: set[tuple[int, int]] = set()
        for place in (placed["position"] for placed in page["layout"]):
            assert place["x"] + place["width"] <= COLUMNS
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["width"])
                for y in range(place["y"], place["y"] + place["height"])
            }
            assert not cells & taken
            taken |= cells


def test_the_queries_name_tables_of_the_contract_and_no_place() -> None:
    for dataset in DATASETS.values():
        named = set(re.findall(r"(?:FROM|JOIN) ([\w.`]+)", dataset.query)) - {"(SELECT"}
        assert named
        assert named <= set(TABLES), named
        # No row is a patient.
        assert "patient_key" not in dataset.query


@pytest.fixture
def sql(spark_lakehouse: Lakehouse, spark_session: "SparkSession") -> Iterator["SparkSession"]:
    """Every table by its name: with rows where `_fill` has written some, else empty."""
    _fill(spark_lakehouse)
    for name, table in TABLES.items():
        spark_lakehouse.scan(table).to_native().createOrReplaceTempView(name)
    yield spark_session
    for name in TABLES:
        spark_session.catalog.dropTempView(name)


def _fill(lakehouse: Lakehouse) -> None:
    def write(table: Table, rows: list[Json], day: date) -> None:
        lakehouse.replace_day(table, day, content_of(table, frame_of(lakehouse, table, rows)))

    scored = [
        {"patient_key": f"{n:032x}", "predicted_charges": 1000.0 * n, "high_risk_patient": n < 20} for n in range(40)
    ]
    write(PREDICTIONS, scored, MONDAY)
    write(PREDICTIONS, scored[:9], TUESDAY)  # of fewer than 11 nothing is told
    listed = [
        {"patient_key": f"{n:032x}", "rank": n + 1, "rule": RISEN if n < 3 else "critical", "reasons": []}
        for n in range(20)
    ]
    write(CARE_MANAGEMENT, listed, MONDAY)
    factor = {"suppressed": False, "members": 40, "rule": "", "credibility": 0.5}
    write(
        PRICING_FACTORS,
        [
            {**factor, "dimension": "all", "level": "all", "relativity": 1.0, "expected_cost": 5e3},
            {**factor, "dimension": "age", "level": "0-14", "relativity": 0.765, "expected_cost": 3e3},
            {**factor, "dimension": "age", "level": "64-over", "relativity": 3.0, "expected_cost": 9e3},
            {**factor, "dimension": "area", "level": "northeast", "relativity": 1.1, "expected_cost": 6e3},
        ],
        MONTH,
    )
    whole = {**dict.fromkeys(ATTRIBUTES, "all"), "suppressed": False, "members": 40, "mean_predicted_charges": 5e3}
    write(
        POPULATION_HEALTH,
        [whole, {**whole, "sex": "female", "members": 20}, {**whole, "sex": "female", "region": "southwest"}],
        MONTH,
    )
    criterion = {"name": "risk_score_r2", "value": 0.8, "threshold": 0.7, "comparison": ">=", "passed": True}
    verdict = {"verdict_id": "1", "model_version": "1", "decision": "approved", "reasons": ["a", "b"]}
    empty = dict.fromkeys(("lower", "upper"), 0.0) | {"detail": ""}
    lakehouse.append(
        GOVERNANCE_VERDICT, frame_of(lakehouse, GOVERNANCE_VERDICT, [{**verdict, "criteria": [criterion | empty]}])
    )


def _rows(sql: "SparkSession", dataset: str) -> list[Json]:
    return [row.asDict() for row in sql.sql(DATASETS[dataset].query).collect()]


@pytest.mark.spark
def test_every_widget_s_query_runs_and_shows_what_the_tables_say(sql: "SparkSession") -> None:
    for widget in _shown():
        query = widget["queries"][0]["query"]
        fields = ", ".join(f"{field['expression']} AS `{field['name']}`" for field in query["fields"])
        sql.sql(f"SELECT {fields} FROM ({DATASETS[query['datasetName']].query})").schema  # noqa: B018, S608 - analysed
    (day,) = _rows(sql, "scored_days")
    assert (day["partition_date"], day["patients"], float(day["high_risk_share"])) == (MONDAY, 40, 0.5)
    assert day["mean_predicted_charges"] == pytest.approx(19_500.0)
    assert _rows(sql, "newest_day") == [day]
    assert _rows(sql, "care_by_rule") == [{"partition_date": MONDAY, "rule": "critical", "patients": 17}]
    assert [row["level"] for row in _rows(sql, "pricing")] == ["all", "0-14", "64-over", "northeast"]
    assert [(row["age"], row["relativity"]) for row in _rows(sql, "age_factors")] == [(0, 0.765), (64, 3.0)]
    assert [row["group_name"] for row in _rows(sql, "group_factors")] == ["area: northeast"]
    assert [(row["group_name"], row["members"]) for row in _rows(sql, "population")] == [("sex: female", 20)]
    assert [row["members"] for row in _rows(sql, "population_months")] == [40]
    assert [row["region"] for row in _rows(sql, "population_cells")] == ["all", "all", "southwest"]
    assert [(row["decision"], row["reasons"]) for row in _rows(sql, "verdicts")] == [("approved", "a; b")]
    assert [(row["criterion"], row["passed"]) for row in _rows(sql, "criteria")] == [("risk_score_r2", True)]
    assert all(_rows(sql, dataset) == [] for dataset in ("champion", "performance", "bias", "drift", "alerts", "trail"))
