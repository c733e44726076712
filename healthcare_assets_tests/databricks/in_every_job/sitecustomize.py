"""Python imports this as it starts a job's process: what a test left in the file BEFORE_STEP is run first."""

import os
from pathlib import Path

_SCRIPT = Path(os.environ.get("BEFORE_STEP", ""))

if _SCRIPT.is_file():
    exec(_SCRIPT.read_text(encoding="utf-8"))  # noqa: S102 - what the test wrote
