"""`predictions` → `care_management`: the patients who need a person's attention, ranked, and the care team's file."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial

import narwhals as nw

from healthcare_assets.domain import care_export, care_list, checks
from healthcare_assets.domain.care import CARE_MANAGEMENT, RULES
from healthcare_assets.domain.care_words import SPOKEN_OF, WORDED_COLUMNS, with_words
from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.figures.care import care_figures
from healthcare_assets.domain.figures.figure import Figure
from healthcare_assets.domain.tables import PREDICTIONS
from healthcare_assets.resources.exports import ExportedFile, Exports
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.steps.care_exports import exports_of
from healthcare_assets.steps.charges import charges_by
from healthcare_assets.steps.pictures import shown
from healthcare_assets.steps.recording import record
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime, content_of, counts, counts_by_key, ranges_of

_EXPORTED_AT_A_TIME = 100_000
_SHOWN = 10
_KEY = care_list.KEY


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse = runtime.lakehouse
    capacity = runtime.settings.care_capacity or runtime.policy.care.capacity
    rows = lakehouse.replace_day(CARE_MANAGEMENT, day, *_ranked(lakehouse, _listed(runtime, day), capacity))
    written = lakehouse.scan(CARE_MANAGEMENT, day=day)
    found = counts_by_key(lakehouse, written, lambda some: some.select(*checks.patients_and_nulls(CARE_MANAGEMENT)))
    outcomes = (
        checks.schema(CARE_MANAGEMENT, written, found),
        checks.one_row_per_patient(CARE_MANAGEMENT, rows=found["rows"], patients=found["patients"]),
        checks.ranks_without_gaps(counts(lakehouse, checks.ranks(written))),
    )
    return (
        AssetReport(
            asset=CARE_MANAGEMENT.name,
            location=lakehouse.location(CARE_MANAGEMENT),
            rows=rows,
            metadata={
                **shown(_figures(lakehouse, written)),
                "first_of_the_list": Markdown(_first(lakehouse, written)),
                "capacity": capacity,
                "beyond_capacity": max(0, rows - capacity),
                **_handed_over(runtime, day, capacity, sound=all(outcome.passed for outcome in outcomes)),
            },
            checks=outcomes,
        ),
    )


def _listed(runtime: Runtime, day: date) -> list[Frame]:
    """Who meets a rule, without a rank, in parts that can be held."""
    lakehouse, policy = runtime.lakehouse, runtime.policy
    predictions = lakehouse.scan(PREDICTIONS, day=day)
    words = partial(with_words, policy=policy)
    names = [name for name in (c.name for c in WORDED_COLUMNS) if name != "why"]
    parts = []
    for keys in ranges_of(lakehouse, predictions):
        candidates = lakehouse.once(care_list.candidates(keys.of(predictions), rules=policy.care))
        last_scores = _last_scores(runtime, candidates.select(_KEY), day)
        listed = care_list.listed(candidates, last_scores, rules=policy.care)
        spoken_of = listed.select(*dict.fromkeys((*names, *SPOKEN_OF)))
        parts.append(lakehouse.once(lakehouse.map_batches(spoken_of, words, columns=WORDED_COLUMNS)))
    return parts


def _last_scores(runtime: Runtime, patients: Frame, day: date) -> Frame:
    """The newest score of each of the patients from before the day.

    From the newest day back, in spans that double: where every patient is delivered every day, one day is read.
    """
    lakehouse = runtime.lakehouse
    first = day - timedelta(days=runtime.policy.care.look_back_days)
    days = [earlier for earlier in reversed(lakehouse.days(PREDICTIONS)) if first <= earlier < day]
    partition, predictions = nw.col(PARTITION_COLUMN), lakehouse.scan(PREDICTIONS)
    found = [care_list.scores(predictions.head(0))]
    missing, span = patients, 1
    while days and counts(lakehouse, missing.select(nw.len().cast(nw.Int64).alias("rows")))["rows"]:
        some, days = days[:span], days[span:]
        earlier = predictions.filter(partition >= nw.lit(some[-1]), partition <= nw.lit(some[0]))
        theirs = care_list.scores(earlier.join(missing, on=_KEY, how="semi"))
        found.append(lakehouse.once(lakehouse.latest(theirs, key=[_KEY], order_by=["last_scored_on"])))
        missing = lakehouse.once(missing.join(found[-1], on=_KEY, how="anti"))
        span *= 2
    return nw.concat(found)


def _ranked(lakehouse: Lakehouse, parts: Sequence[Frame], capacity: int) -> list[Frame]:
    listed = nw.concat(parts)
    groups = lakehouse.collect(care_list.group_sizes(listed)).to_pylist()
    columns = care_list.PLACE_COLUMNS
    places = care_list.places(groups, at_a_time=lakehouse.keys_at_a_time)
    frames = (lakehouse.from_batches([batch], columns=columns) for batch in places)
    return [content_of(CARE_MANAGEMENT, care_list.ranked(listed, some, capacity=capacity)) for some in frames]


def _handed_over(runtime: Runtime, day: date, capacity: int, *, sound: bool) -> dict[str, str]:
    """What is to be known of the care team's file, which is written anew; a list that breaks a rule has none."""
    exports = exports_of(runtime)
    if not sound:
        exports.delete([exports.path(day)])
        return {"export": "none: the list does not pass its checks"}
    exported = _exported(runtime, exports, day, capacity)
    runtime.log(f"{exported.rows} patients, whom the care team can call, are in {exported.path}.")
    return {"export": str(exported.path), "export_sha256": exported.sha256}


def _exported(runtime: Runtime, exports: Exports, day: date, capacity: int) -> ExportedFile:
    exported = exports.write(day, care_export.HEADER, _cells(runtime.lakehouse, day, capacity))
    record(
        runtime,
        "exported",
        CARE_MANAGEMENT.name,
        day=day,
        read=runtime.lakehouse.journal.written_to(CARE_MANAGEMENT.name),
        detail={"file": exported.path.name, "rows": exported.rows, "sha256": exported.sha256},
    )
    return exported


def _cells(lakehouse: Lakehouse, day: date, capacity: int) -> Iterator[list[str]]:
    written, rank = lakehouse.scan(CARE_MANAGEMENT, day=day), nw.col("rank")
    for before in range(0, capacity, _EXPORTED_AT_A_TIME):
        upto = min(before + _EXPORTED_AT_A_TIME, capacity)
        some = lakehouse.collect(written.filter(rank > nw.lit(before), rank <= nw.lit(upto)))
        yield from care_export.cells(some.sort_by("rank").to_pylist())
        if some.num_rows < upto - before:
            return


def _figures(lakehouse: Lakehouse, written: Frame) -> dict[str, Figure]:
    within = [
        ((nw.col("rule") == nw.lit(rule)) & nw.col("within_capacity")).cast(nw.Int64).sum().alias(rule)
        for rule in RULES
    ]
    return care_figures(
        charges_by(lakehouse, written, "rule", RULES), within=counts(lakehouse, written.select(*within))
    )


def _first(lakehouse: Lakehouse, written: Frame) -> str:
    """The first of the list without their keys: what is shown here stays in Dagster's storage when a patient goes."""
    names = ["rank", "rule", "risk_category", "risk_score", "score_change", "predicted_charges"]
    first = lakehouse.collect(written.filter(nw.col("rank") <= nw.lit(_SHOWN)).select(*names)).sort_by("rank")
    rows = [
        f"| {row['rank']} | {row['rule']} | {row['risk_category']} | {row['risk_score']:.1f} "
        f"| {'' if row['score_change'] is None else format(row['score_change'], '+.1f')} "
        f"| ${row['predicted_charges']:,.0f} |"
        for row in first.to_pylist()
    ]
    return "\n".join(["| rank | rule | category | score | change | predicted charges |", "|---" * 6 + "|", *rows])
