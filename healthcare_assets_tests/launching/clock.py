"""A clock for tests of what waits."""

import time

from databricks.sdk.clock import RealClock


class ImpatientClock(RealClock):
    """Waits for what other processes do, but never as long as it is told to."""

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.05))
