"""A model found, loaded and adapted: files, Auto classes, models from a config, fine-tuning methods."""

from toolkit.models.find import Mirror

__all__ = ["Mirror"]
