"""Risk and cost of the month's patients by region, age, sex, smoking and weight, for everybody to read."""
