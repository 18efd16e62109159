"""A run's folder: written, read back, its model loaded again, verified and compared."""
