"""What a reader finds in a home: each part of each table at each version, who is champion, what lies about."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

from healthcare_assets.domain.audit import AUDIT_TRAIL, verify
from healthcare_assets.domain.columns import PARTITION_COLUMN, Table
from healthcare_assets.domain.tables import CHAMPION_HISTORY, GOVERNANCE_VERDICT, TABLES, TRAINING_PATIENTS
from healthcare_assets.environments import settings_from
from healthcare_assets.errors import HealthcareError
from healthcare_assets.resources import delta_maintenance
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets.resources.delta_files import LocalDeltaTable
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.resources.registry import ModelRegistry
from healthcare_assets.steps.governance import CARD, card_folder
from healthcare_assets.steps.recording import kept_head

OF_THE_RUN: Mapping[str, tuple[str, ...]] = {
    # When it was scored.
    "predictions": ("predicted_at",),
    # Which of two trainings on the same rows it was, and when: a killed one may have used up a version's number.
    TRAINING_PATIENTS.name: ("mlflow_run_id", "model_version", "predicted_at"),
    # Beside these, Delta's version numbers of the tables that were trained on: a rerun may write a day once more.
    GOVERNANCE_VERDICT.name: (
        "verdict_id",
        "model_version",
        "data_versions",
        "trained_on_data_versions",
        "mlflow_run_id",
        "dagster_run_id",
        "decided_at",
    ),
    CHAMPION_HISTORY.name: ("move_id", "model_version", "verdict_id", "dagster_run_id", "moved_at"),
}
"""Columns that name the run, and differ between two undisturbed runs too; every other column is compared."""
APPENDED: Mapping[str, str] = {
    TRAINING_PATIENTS.name: "model_version",
    GOVERNANCE_VERDICT.name: "verdict_id",
    CHAMPION_HISTORY.name: "move_id",
}
"""Tables that are appended to: by what the rows of one append are told apart, which is an id of the run."""


_SUMMED_BY_THREADS = ("model_performance", "drift_report")
"""Their figures are sums over patients, added up in the order in which threads hand them over: the last bits differ
between two undisturbed runs too. They are compared to nine digits."""
_DIGITS = 9


def look(home: Path, since: Mapping[str, int] | None) -> dict[str, Any]:
    """Every table that is there, at each version after those of `since` (None: at the newest), and the registry."""
    root = home / "lakehouse"
    lakehouse = PolarsLakehouse(root)
    found: dict[str, Any] = {}
    for table in TABLES.values():
        latest = lakehouse.version(table)
        if latest is None or table is AUDIT_TRAIL:  # which says what was done, and so differs
            continue
        versions = {
            str(version): _parts(table, pl.scan_delta(LocalDeltaTable(root / table.name, version=version)))
            for version in range(latest if since is None else since.get(table.name, -1) + 1, latest)
        }
        # The newest as any reader of the product gets to see it.
        versions[str(latest)] = _parts(table, lakehouse.scan(table).to_native())
        found[table.name] = versions
    registry = _registry(lakehouse)
    trail = verify(entries(lakehouse), known_head=kept_head(settings_from()))
    registry["faults"] += [f"audit_trail: {fault}" for fault in trail.faults]
    return {"tables": found, "registry": registry, "lying_about": _lying_about(home)}


def _parts(table: Table, rows: pl.LazyFrame) -> dict[str, list[Any]]:
    """By day, or by append, or of the whole table: how many rows, and their digest."""
    frame = rows.select(table.column_names).collect()
    by = PARTITION_COLUMN if table.daily else APPENDED.get(table.name)
    parts = (
        {"": frame} if by is None else {str(key[0]): part for key, part in frame.partition_by(by, as_dict=True).items()}
    )
    return {key: [part.height, _digest(table, part)] for key, part in sorted(parts.items()) if part.height}


def _digest(table: Table, rows: pl.DataFrame) -> str:
    compared = rows.sort(table.key).drop(OF_THE_RUN.get(table.name, ()))
    if table.name in _SUMMED_BY_THREADS:
        compared = compared.with_columns(pl.col(pl.Float64).round_sig_figs(_DIGITS))
    return sha256(compared.write_ndjson().encode()).hexdigest()[:16]


def _registry(lakehouse: PolarsLakehouse) -> dict[str, Any]:
    """The aliases; what the champion is made of; and what is wrong with it."""
    settings = settings_from()
    if not (settings.mlflow_root / "mlflow.db").exists():
        return {"champion": None, "faults": []}
    registry = ModelRegistry(settings.tracking_uri, name=settings.environment.registered_model)
    champion = registry.version_by_alias("champion")
    if champion is None:
        return {"champion": None, "faults": []}
    faults = []
    try:
        registry.load(champion)
        registry.load_pipeline(champion)
        registry.load_folds(champion)
    except HealthcareError as error:
        faults.append(f"champion {champion.version} cannot be loaded: {error}")
    verdicts = lakehouse.collect(lakehouse.scan(GOVERNANCE_VERDICT)).to_pylist()
    approved = [row for row in verdicts if (row["model_version"], row["decision"]) == (champion.version, "approved")]
    if not approved:
        faults.append(f"no verdict approved champion {champion.version}")
    moves = lakehouse.collect(lakehouse.scan(CHAMPION_HISTORY)).to_pylist()
    last = max(moves, key=lambda row: row["moved_at"], default=None)
    # A move that is written down and did not come about leaves the champion that it would have replaced.
    if last is None or champion.version not in (last["model_version"], last["replaced_version"]):
        faults.append(f"champion_history does not say who made version {champion.version} champion")
    tags = registry.tags(champion)
    if tags.get("compliance_status") != "approved":
        faults.append(f"champion {champion.version} is tagged '{tags.get('compliance_status')}'")
    cards = [registry.attached(champion, f"{card_folder(row['verdict_id'])}/{CARD}") for row in approved]
    if not any(Path(card).is_file() for card in cards):
        faults.append(f"champion {champion.version} has no card of an approving verdict")
    made_of = {name: tags.get(name) for name in ("candidate", "dataset_digest", "sha256.reference_profile.json")}
    return {
        "champion": champion.version,
        "made_of": {**made_of, "probe": _probed(registry, champion)},
        "rejected": [row["verdict_id"] for row in verdicts if row["decision"] == "rejected"],
        "judged_again": [row["verdict_id"] for row in approved if row["champion_version"] is None],
        "faults": faults,
    }


def _probed(registry: ModelRegistry, champion: Any) -> str:
    return sha256(json.dumps(registry.load_probe(champion).predicted).encode()).hexdigest()[:16]


def _lying_about(home: Path) -> list[str]:
    """Files and folders in the making that are nobody's any more."""
    scratch = home / "lakehouse" / ".scratch"
    folders = [path for path in scratch.iterdir() if path.is_dir()] if scratch.exists() else []
    unfinished = [path for ending in ("*.tmp", "*.unfinished") for path in home.rglob(ending)]
    return sorted(str(path.relative_to(home)) for path in (*folders, *unfinished))


def unneeded_files(root: Path) -> list[str]:
    """What lies in the tables' folders and is no table's, after deleting without any retention."""
    left: list[str] = []
    for log in sorted(root.glob("*/_delta_log")):
        delta = DeltaTable(log.parent)
        delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
        delta_maintenance.delete_staged(log.parent, older_than_days=0)
        needed = set(LocalDeltaTable(log.parent).file_uris())
        data = [path for path in log.parent.rglob("*.parquet*") if log not in path.parents]
        left += [str(path) for path in (*data, *log.glob("*#*")) if str(path) not in needed]
    return left
