"""Forms of a problem, for any plugin: labels, loss, decoding and baselines; no files, no columns."""
