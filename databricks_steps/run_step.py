"""The file that a Databricks task names: the step itself is in the wheel beside it."""

from databricks_steps.entry_point import main

if __name__ == "__main__":
    main()
