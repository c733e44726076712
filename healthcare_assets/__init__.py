"""Health insurance costs as a Dagster asset graph: predicted, governed and monitored, a partition a day."""
