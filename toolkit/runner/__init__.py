"""The way of a run; `run.py` is the page to read first."""
