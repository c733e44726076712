"""Faults of the machine, provoked for real: each ends well or with one sentence, and its way out works."""
