"""The simulator of department deliveries: writes what the offices of a fictitious region would send, and the
truth.

`simulate(specification, output, seed, size, dirt)` in `run.py` is the one entry point; `python -m
sources.simulator` calls it.
"""
