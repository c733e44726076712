"""The emulated Databricks workspace: minilake, with what it gets wrong mended, and faults on demand.

Runs in the emulator's own environment (`python -m healthcare_assets_tests.workspace.server`), so nothing below here
imports anything but minilake, what minilake needs, and the standard library.
"""
