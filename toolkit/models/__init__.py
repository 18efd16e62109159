"""A model found, loaded and adapted: files, Auto classes, fine-tuning methods, adapters."""

from toolkit.models.find import Mirror

__all__ = ["Mirror"]
