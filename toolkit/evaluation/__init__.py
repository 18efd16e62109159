"""Evaluation: predictions in a stream, metrics with intervals, and the floors to beat."""
