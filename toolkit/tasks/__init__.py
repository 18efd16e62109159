"""Tasks, for any plugin: targets, loss, decoding, metrics and baselines; no files, no columns."""
