"""What a day of many members takes on a cluster, from what the day took on two cores: the table of docs/scaling.md.

`python -m healthcare_assets_tests.bench.scaling docs/benchmarks/<date>.json` writes it anew between its two markers.
The formula and each assumption are explained on the page; here they are computed.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from healthcare_assets.environments import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "scaling.md"
BENCHMARKS = PROJECT_ROOT / "docs" / "benchmarks"
BEGIN, END = "<!-- computed: begin -->", "<!-- computed: end -->"
MEMBERS = 50_000_000
_MILLION = 1_000_000
_PER_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What no measurement on two cores can say: replace it by what you know."""

    workers: int = 8
    """The most that the daily cluster of prod has."""
    cores_a_node: int = 8
    """Virtual processors of an m6id.2xlarge."""
    core_speed: float = 1.0
    """Of a virtual processor there, in those of the machine that was measured on."""
    efficiency: float = 0.8
    """Share of the cores' time that is work: the rest is waiting for stragglers, for the network and for storage."""
    start_s: float = 300.0
    """From the order to a cluster that works. Its machines are billed, its Databricks units are not yet."""
    dbu_a_node_hour: float = 1.37
    dollars_a_dbu: float = 0.15
    dollars_a_node_hour: float = 0.4746

    @property
    def cores(self) -> int:
        return self.workers * self.cores_a_node

    @property
    def nodes(self) -> int:
        """The workers and the driver."""
        return self.workers + 1


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A step, or the whole day, of so many members on a cluster."""

    seconds: float
    dbu: float
    dollars: float
    """Of Databricks and of the cloud."""


def step_seconds(cost: Mapping[str, Any], *, members: int, cores: int, given: Assumptions) -> float:
    """Fixed, and a row at a time on the driver alone, and the rest of a row's cost on all cores."""
    millions = members / _MILLION
    alone = cost["driver_s_a_million"] / given.core_speed
    spread = core_seconds(cost, cores=cores) / (given.core_speed * given.efficiency * given.cores)
    return float(cost["fixed_s"] / given.core_speed + millions * (alone + spread))


def core_seconds(cost: Mapping[str, Any], *, cores: int) -> float:
    """Seconds of a core that a million rows take beside the driver's: for so long they were held, idle or not."""
    return float(max(0.0, cost["wall_s_a_million"] - cost["driver_s_a_million"]) * cores)


def day_estimate(spark: Mapping[str, Any], *, members: int, given: Assumptions) -> Estimate:
    """All steps one after the other on one cluster, with its start."""
    steps = spark["steps"].values()
    worked = sum(step_seconds(cost, members=members, cores=spark["cores"], given=given) for cost in steps)
    return _estimate(worked, start_s=given.start_s, given=given)


def _estimate(worked: float, *, start_s: float, given: Assumptions) -> Estimate:
    dbu = worked / _PER_HOUR * given.nodes * given.dbu_a_node_hour
    machines = (worked + start_s) / _PER_HOUR * given.nodes * given.dollars_a_node_hour
    return Estimate(seconds=worked + start_s, dbu=dbu, dollars=dbu * given.dollars_a_dbu + machines)


def computed(found: Mapping[str, Any], *, given: Assumptions | None = None) -> str:
    """The two tables of the page: by step, and by what is assumed."""
    given = given or Assumptions()
    spark = found["spark"]
    told = (
        f"Measured {found['measured_at'][:10]} on {spark['cores']} cores ({found['machine']['processor']}), PySpark "
        f"{spark['pyspark']}, Delta Lake {spark['delta']}; {spark['runs']} runs of {spark['sizes'][0]:,} and of "
        f"{spark['sizes'][1]:,} records."
    )
    here = f"{MEMBERS:,} members on {given.cores} cores"
    head = ["step", "rows a second a core", "fixed", "driver, a million", "cores, a million", here, "DBU"]
    lines = [told, "", f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for name, cost in spark["steps"].items():
        seconds = step_seconds(cost, members=MEMBERS, cores=spark["cores"], given=given)
        estimate = _estimate(seconds, start_s=0, given=given)
        rate = cost["rows_a_second_a_core"]
        lines.append(
            f"| {name} | {'–' if rate is None else format(rate, ',.0f')} | {cost['fixed_s']:.1f} s "
            f"| {cost['driver_s_a_million']:.1f} s | {core_seconds(cost, cores=spark['cores']):.1f} s "
            f"| {seconds / 60:.1f} min | {estimate.dbu:.2f} |"
        )
    whole = day_estimate(spark, members=MEMBERS, given=given)
    lines += [
        f"| the day, with the cluster's start | | | | | {whole.seconds / 60:.0f} min | {whole.dbu:.1f} |",
        "",
        "| assumed | time | DBU | dollars |",
        "| --- | --- | --- | --- |",
        *(_sensitivity(name, spark, other) for name, other in _others(given).items()),
    ]
    return "\n".join(lines)


def _others(given: Assumptions) -> dict[str, Assumptions]:
    slow = replace(given, core_speed=given.core_speed / 2)
    return {
        f"as above: {given.workers} workers, core speed {given.core_speed:g}, efficiency {given.efficiency:.0%}": given,
        "half the core speed": slow,
        "efficiency 60 %": replace(given, efficiency=0.6),
        "both": replace(slow, efficiency=0.6),
        "half the workers": replace(given, workers=given.workers // 2),
        "twice the workers": replace(given, workers=given.workers * 2),
    }


def _sensitivity(name: str, spark: Mapping[str, Any], given: Assumptions) -> str:
    estimate = day_estimate(spark, members=MEMBERS, given=given)
    return f"| {name} | {estimate.seconds / 60:.0f} min | {estimate.dbu:.1f} | {estimate.dollars:.2f} |"


def page_with(text: str, tables: str) -> str:
    """The page with the tables between its markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def newest_measurement() -> Path | None:
    """The newest committed measurement that has Spark in it."""
    found = sorted(BENCHMARKS.glob("*.json"))
    return next((path for path in reversed(found) if "spark" in json.loads(path.read_text(encoding="utf-8"))), None)


def write(measurement: Path) -> None:
    """The page with the tables of a measurement."""
    found = json.loads(measurement.read_text(encoding="utf-8"))
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), computed(found)), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
