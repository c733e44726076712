"""The AI/BI dashboard of the bundle: the figures of `make report` for whoever may read the tables in the workspace."""

from databricks_steps.clusters import Json
from databricks_steps.dashboard.datasets import DATASETS
from databricks_steps.dashboard.pages import pages
from databricks_steps.dashboard.widgets import placed


def dashboard() -> Json:
    """The dashboard as a workspace takes it."""
    return {
        "datasets": [
            {"name": name, "displayName": dataset.title, "queryLines": dataset.query.strip().splitlines(keepends=True)}
            for name, dataset in DATASETS.items()
        ],
        "pages": [
            {"name": name, "displayName": title, "pageType": "PAGE_TYPE_CANVAS", "layout": placed(widgets)}
            for name, (title, widgets) in pages().items()
        ],
    }
