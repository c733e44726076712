"""`make explore`: what patients cost, by whom, and what those at high risk have in common; from the local lakehouse.

A marimo notebook. It reads de-identified tables and changes none. Every figure is about at least 11 patients, and all
of them together tell of no fewer (see `domain/small_cells.py`); what you add to it has to keep to that as well.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Exploration")

with app.setup:
    from typing import cast

    import marimo as mo
    import numpy as np
    import polars as pl
    import polars.selectors as cs
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from healthcare_assets.domain.columns import Table
    from healthcare_assets.domain.small_cells import MINIMUM_CELL, is_small, merged, round_step, suppressed
    from healthcare_assets.domain.tables import DIM_PATIENTS, PREDICTIONS
    from healthcare_assets.environments import settings_from
    from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse

    OBESE_FROM = 30.0  # kg/m², WHO/CDC
    DARK_FROM = 0.65  # of a correlation: from there on its square is too dark for black figures
    BLUE, ORANGE = "#0072b2", "#d55e00"  # distinguishable with any colour vision (Okabe and Ito)
    ATTRIBUTES = ("age", "bmi", "children", "smoker")


@app.cell(hide_code=True)
def _():
    mo.md("""
    # What patients cost, and who is at high risk

    The patients of `dim_patients` as they are now, whose charges are known, with the newest of their `predictions`
    where there are any. No figure tells of fewer than 11 of them.
    """)
    return


@app.function
def table(lakehouse: PolarsLakehouse, which: Table) -> pl.LazyFrame:
    """A table of the lakehouse; without rows where nothing has written it yet."""
    return cast("pl.LazyFrame", lakehouse.scan(which).to_native())


@app.function
def patients_of(lakehouse: PolarsLakehouse) -> pl.DataFrame:
    """A row a patient whose charges are known: attributes, charges (US dollars), and what was predicted of them last.

    Where anybody was scored, those who were not are left out: all figures are about the same patients.
    """
    current = (
        table(lakehouse, DIM_PATIENTS)
        .filter("is_current_record")
        .select("patient_key", "region", *ATTRIBUTES, "charges")
        .drop_nulls("charges")
    )
    newest = (
        table(lakehouse, PREDICTIONS)
        .select("patient_key", "predicted_charges", "risk_score", "high_risk_patient", "partition_date")
        .sort("partition_date")
        .unique("patient_key", keep="last", maintain_order=True)
        .drop("partition_date")
        .collect()
    )
    return current.join(newest.lazy(), on="patient_key", how="left" if newest.is_empty() else "inner").collect()


@app.function
def why_nothing(lakehouse: PolarsLakehouse, patients: pl.DataFrame) -> str | None:
    """The sentence to show where there is nothing to explore; None where there is."""
    if lakehouse.version(DIM_PATIENTS) is None:
        return f"There are no patients in `{lakehouse.root}` yet: run `make run`, then open this page again."
    if patients.height < MINIMUM_CELL:
        return (
            f"The charges of fewer than {MINIMUM_CELL} patients are known, which is too few for any figure: "
            "materialise more days, then open this page again."
        )
    return None


@app.function
def smoking_is_told(patients: pl.DataFrame) -> bool:
    """Whether there are enough smokers, and enough others, for figures about them."""
    return not any(suppressed([int(patients["smoker"].sum()), int((~patients["smoker"]).sum())]))


@app.function
def charges_distribution(patients: pl.DataFrame) -> pl.DataFrame:
    """How many patients' charges lie from `from_dollars` to under `to_dollars`; the last range is open (null)."""
    charges = patients["charges"].to_numpy()
    width = round_step(max(float(np.quantile(charges, 0.98)) / 40, 1.0))
    counts = np.bincount(np.minimum(charges // width, 60).astype(np.int64))
    runs = merged(counts.tolist())
    return pl.DataFrame(
        {
            "from_dollars": [start * width for start, _ in runs],
            "to_dollars": [None if stop == len(counts) else stop * width for _, stop in runs],
            "patients": [int(counts[start:stop].sum()) for start, stop in runs],
        },
        schema={"from_dollars": pl.Float64, "to_dollars": pl.Float64, "patients": pl.Int64},
    )


@app.function
def cost_by_region_and_smoking(patients: pl.DataFrame) -> pl.DataFrame:
    """Mean charges (US dollars) and patients by region and smoking; both null where the group may not be shown.

    Within the smokers, and within the others, since the number of either is told elsewhere.
    """
    cells = (
        patients.group_by("region", "smoker")
        .agg(pl.len().cast(pl.Int64).alias("patients"), pl.col("charges").mean().alias("mean_charges"))
        .sort("smoker", "region")
    )
    hidden = [
        flag
        for _, group in cells.group_by("smoker", maintain_order=True)
        for flag in suppressed(group["patients"].to_list())
    ]
    shown = pl.Series([not flag and smoking_is_told(patients) for flag in hidden], dtype=pl.Boolean)
    return cells.with_columns(pl.when(shown).then(pl.col("patients", "mean_charges")))


@app.function
def correlations(patients: pl.DataFrame) -> pl.DataFrame:
    """Pearson's r of each pair, a row and a column each; NaN for what does not vary.

    Without smoking where too few smoke, and with the predicted charges where there are any.
    """
    names = [name for name in ATTRIBUTES if name != "smoker" or smoking_is_told(patients)]
    names += ["charges"] if patients["predicted_charges"].null_count() else ["charges", "predicted_charges"]
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.corrcoef(patients.select(pl.col(names).cast(pl.Float64)).to_numpy(), rowvar=False)
    return pl.DataFrame({"of": names, **dict(zip(names, r.T, strict=True))})


@app.function
def high_risk_profile(patients: pl.DataFrame) -> pl.DataFrame:
    """What the patients at high risk are like, beside the others: a row a `measure`, means and shares (0–1).

    A share is null where it would tell of 1 to 10 persons in either group. No rows where a group is that small, or
    nobody was scored.
    """
    obese = pl.col("bmi") >= OBESE_FROM
    groups = (
        patients.group_by("high_risk_patient")
        .agg(
            pl.len().cast(pl.Int64).alias("patients"),
            pl.col("age", "bmi", "children", "charges", "predicted_charges", "risk_score").mean().name.prefix("mean_"),
            pl.col("smoker").sum().cast(pl.Int64).alias("smokers"),
            obese.sum().cast(pl.Int64).alias("obese"),
        )
        .sort("high_risk_patient", descending=True)
    )
    if groups["high_risk_patient"].n_unique() == 1 or any(suppressed(groups["patients"].to_list())):
        return pl.DataFrame(schema={"measure": pl.String, "high_risk": pl.Float64, "others": pl.Float64})
    for name in ("smokers", "obese"):
        told = not any(is_small(n) or is_small(of - n) for n, of in groups.select(name, "patients").rows())
        share = pl.col(name) / pl.col("patients") if told else pl.lit(None, pl.Float64)
        groups = groups.with_columns(share.alias(f"share_{name}"))
    measures = groups.drop("high_risk_patient", "smokers", "obese").cast(pl.Float64)
    return measures.transpose(include_header=True, header_name="measure", column_names=["high_risk", "others"])


@app.function
def drawing(title: str, *, width: float = 8.0) -> tuple[Figure, Axes]:
    """An empty figure with its one pair of axes."""
    figure = Figure(figsize=(width, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


@app.function
def distribution_figure(distribution: pl.DataFrame) -> Figure:
    """Patients by charges: areas are patients, so that ranges that were joined look no larger than they are."""
    figure, axes = drawing("Charges of the year")
    closed = distribution.drop_nulls()
    widths = (closed["to_dollars"] - closed["from_dollars"]).to_numpy()
    axes.bar(closed["from_dollars"], closed["patients"] / (widths / 1000), widths, align="edge", color=BLUE)
    axes.set_xlabel("US dollars")
    axes.set_ylabel("patients for each 1,000 dollars")
    return figure


@app.function
def cost_figure(costs: pl.DataFrame) -> Figure:
    """Mean charges by region, a bar for those who smoke and one for the others; none for what may not be shown."""
    figure, axes = drawing("Mean charges by region and smoking")
    regions = costs["region"].unique().sort().to_list()
    for offset, smoker, label, colour in ((-0.2, False, "others", BLUE), (0.2, True, "smokers", ORANGE)):
        found = costs.filter(pl.col("smoker") == smoker).drop_nulls("mean_charges")
        places = [regions.index(region) + offset for region in found["region"]]
        axes.bar(places, found["mean_charges"], 0.4, label=label, color=colour)
    axes.set_xticks(range(len(regions)), regions)
    axes.set_ylabel("US dollars a year")
    figure.legend(frameon=False, loc="outside upper right", ncols=2)
    return figure


@app.function
def correlations_figure(matrix: pl.DataFrame) -> Figure:
    """Pearson's r of each pair as a square of a colour, with its number."""
    figure, axes = drawing("Correlations (Pearson's r)", width=6.0)
    names, r = matrix["of"].to_list(), matrix.drop("of").to_numpy()
    image = axes.imshow(r, vmin=-1, vmax=1, cmap="RdBu_r")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    for (row, column), value in np.ndenumerate(r):
        ink = "white" if abs(value) > DARK_FROM else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
    figure.colorbar(image, ax=axes)
    return figure


@app.function
def profile_figure(profile: pl.DataFrame) -> Figure:
    """How many times as much, as old or as frequent it is at high risk, a bar a measure that both sides have."""
    figure, axes = drawing("High risk ÷ others")
    compared = profile.filter((pl.col("measure") != "patients") & (pl.col("others") != 0)).drop_nulls().reverse()
    axes.barh(compared["measure"], compared["high_risk"] / compared["others"], color=ORANGE)
    axes.axvline(1.0, color="black", linewidth=1)
    return figure


@app.function
def rounded(frame: pl.DataFrame, digits: int) -> mo.ui.table:
    """The frame as it is shown."""
    return mo.ui.table(frame.with_columns(cs.float().round(digits)), selection=None, show_column_summaries=False)


@app.cell
def _():
    lakehouse = PolarsLakehouse(settings_from().lakehouse_root)
    patients = patients_of(lakehouse)
    nothing = why_nothing(lakehouse, patients)
    mo.stop(nothing is not None, mo.md(nothing or ""))
    mo.md(f"**{patients.height:,} patients**")
    return (patients,)


@app.cell
def _(patients):
    distribution = charges_distribution(patients)
    mo.vstack([mo.md("## Charges"), distribution_figure(distribution), rounded(distribution, 0)])
    return


@app.cell
def _(patients):
    costs = cost_by_region_and_smoking(patients)
    mo.vstack([mo.md("## Cost by region and smoking"), cost_figure(costs), rounded(costs, 0)])
    return


@app.cell
def _(patients):
    matrix = correlations(patients)
    mo.vstack([mo.md("## What goes with what"), correlations_figure(matrix)])
    return


@app.cell
def _(patients):
    profile = high_risk_profile(patients)
    few = mo.md("Too few are scored on either side of the line: run the job `daily_scoring` for more days.")
    shown = [profile_figure(profile), rounded(profile, 2)] if profile.height else [few]
    mo.vstack([mo.md("## Patients at high risk, and the others"), *shown])
    return


if __name__ == "__main__":
    app.run()
