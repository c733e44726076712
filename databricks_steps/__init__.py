"""Launching steps: in this process, or elsewhere."""
