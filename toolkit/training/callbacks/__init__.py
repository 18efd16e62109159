"""Callbacks of the Trainer: progress, times, pausing on a signal, divergence."""
