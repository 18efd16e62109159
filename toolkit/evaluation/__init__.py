"""Evaluation: predictions in a stream, metrics with intervals, and the baselines to beat."""
