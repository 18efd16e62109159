"""report.html: one file that says what a run is worth, made from the run's folder alone."""

from toolkit.reporting.html.page import FILE, of_job, published, write

__all__ = ["FILE", "of_job", "published", "write"]
