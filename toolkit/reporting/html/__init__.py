"""report.html: one file that says what a run is worth, made from the run's folder alone."""

from toolkit.reporting.html.page import FILE, published, write, write_first

__all__ = ["FILE", "published", "write", "write_first"]
