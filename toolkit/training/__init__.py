"""Training arguments, the Trainer, its callbacks, checkpoints, memory and trackers."""
