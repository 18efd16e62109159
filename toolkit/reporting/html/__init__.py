"""report.html: how good a model is, in one file made from the run's folder alone."""

from toolkit.reporting.html.page import FILE, published, write, write_first

__all__ = ["FILE", "published", "write", "write_first"]
