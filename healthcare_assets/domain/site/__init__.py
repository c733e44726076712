"""The pages that people open: one for each use, the model, its monitoring and what was decided.

Each is a file that loads nothing and runs nothing. No figure of an aggregate stands for 1 to 10 patients
(`small_cells`).
"""
