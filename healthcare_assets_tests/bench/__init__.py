"""Measurements of this project on the machine at hand: `make bench`. Nothing here is a test."""
