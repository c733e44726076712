"""What Dagster sees: assets, checks, partitions, jobs, schedules."""

import warnings

import dagster as dg

# A check of a daily asset has to be partitioned like it: otherwise the failure of an old day stands for the latest one.
# Dagster marks just this argument as a preview; everything else that it previews still warns.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)
