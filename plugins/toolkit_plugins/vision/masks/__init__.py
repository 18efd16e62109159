"""Masks of segmentation in any usual form, read as class numbers of known names."""

from toolkit_plugins.vision.masks.folders import read
from toolkit_plugins.vision.masks.known import KnownMasks
from toolkit_plugins.vision.masks.legends import Classes
from toolkit_plugins.vision.masks.reading import reshaped
from toolkit_plugins.vision.masks.shapes import from_objects

__all__ = ["Classes", "KnownMasks", "from_objects", "read", "reshaped"]
