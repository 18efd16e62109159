"""Image processors that make the canvases of a run, to be saved beside its model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from toolkit.errors import ModelError
from toolkit_plugins.vision.canvas import Canvas


def processor_for(
    folder: Path,
    size: tuple[int, int],
    keep_ratio: bool,
    kind: Literal["boxes", "masks"],
    channels: int = 3,
) -> Any:
    """Return the image processor of a folder, set up so that it makes exactly a run's canvases.

    One that cannot (it crops, or does not pad) is replaced by one that can, with its mean, standard
    deviation and filter. A model from scratch has 0.5 for both. None of them applies EXIF.

    Args:
        size: height and width of the canvas.
        keep_ratio: whether images are padded, rather than stretched.

    Raises:
        ModelError: a folder with weights holds no image processor, or one that does more than
            resize, pad and scale.
    """
    from transformers import AutoImageProcessor

    from toolkit.models import pretrained

    if not (folder / "preprocessor_config.json").is_file():
        if not pretrained.is_scratch(folder):
            what = "Is it an image model? If it is, save its image processor there."
            raise ModelError(f"{folder} holds no preprocessor_config.json. {what}")
        half = [0.5] * channels
        scaling = {"image_mean": half, "image_std": half}
        for name in _names(folder, kind, keep_ratio):
            found = _sized(_made(name, scaling), size, keep_ratio, channels)
            if _has_post_process(found, kind) and _makes_canvases(found, channels):
                break
        return found
    auto: Any = AutoImageProcessor
    own = auto.from_pretrained(folder, backend="pil")
    facts = {name: getattr(own, name, None) for name in
             ("image_mean", "image_std", "do_normalize", "rescale_factor", "resample")}  # fmt: skip
    given = {name: value for name, value in facts.items() if value is not None}
    before = _seen(own)
    found = _sized(own, size, keep_ratio, channels)
    if _has_post_process(found, kind) and _makes_canvases(found, channels):
        return found
    found = _sized(_made(_names(folder, kind, keep_ratio)[-1], given), size, keep_ratio, channels)
    if before is not None and abs(_seen(found) - before).max() > 1e-3:
        what = "does more with colors than scale them, which is not supported"
        raise ModelError(f"{folder}: {type(own).__name__} {what}")
    return found


def saved_processor(folder: Path) -> Any:
    """Return the image processor that a run has saved with its model (Pillow backend)."""
    from transformers import AutoImageProcessor

    auto: Any = AutoImageProcessor
    return auto.from_pretrained(folder, backend="pil")


def _names(folder: Path, kind: str, keep_ratio: bool) -> list[str]:
    """Return classes of processors: of boxes the model's own first, which decodes as it learns.

    The last one resizes and pads by its settings alone.
    """
    from transformers import AutoConfig
    from transformers.models.auto import image_processing_auto

    if kind == "boxes":
        model_type = AutoConfig.from_pretrained(folder).model_type
        names: Any = getattr(image_processing_auto, "IMAGE_PROCESSOR_MAPPING_NAMES", {})
        known = names.get(model_type)
        own = known.get("pil") if isinstance(known, dict) else None
        return [*([own] if own else []), "RTDetrImageProcessorPil"]
    # SegFormer's does not pad.
    return ["ViTImageProcessorPil" if keep_ratio else "SegformerImageProcessorPil"]


def _made(name: str, facts: Mapping[str, Any]) -> Any:
    import transformers

    return getattr(transformers, name)(**{"do_normalize": True, **facts})


def _sized(processor: Any, size: tuple[int, int], keep_ratio: bool, channels: int) -> Any:
    height, width = size
    exact = {"height": height, "width": width}
    processor.size = {"max_height": height, "max_width": width} if keep_ratio else exact
    processor.do_pad, processor.pad_size = keep_ratio, exact if keep_ratio else None
    processor.do_resize, processor.do_center_crop = True, False
    processor.do_convert_rgb = channels == 3
    if getattr(processor, "do_reduce_labels", False):
        processor.do_reduce_labels = False  # masks hold class numbers already
    return processor


def _has_post_process(processor: Any, kind: str) -> bool:
    """Return whether the class is one of this task; padded masks are decoded by the toolkit."""
    name = {"boxes": "post_process_object_detection", "masks": "post_process_semantic_segmentation"}
    return hasattr(processor, name[kind])


def _makes_canvases(processor: Any, channels: int) -> bool:
    try:
        return bool(Canvas.of(processor, channels))
    except (ModelError, AttributeError):
        return False


def _seen(processor: Any) -> Any:
    """Return what a processor makes of one color: the first pixel; None where it refuses it."""
    import numpy as np
    from PIL import Image

    mean = getattr(processor, "image_mean", None)
    grey = isinstance(mean, list | tuple) and len(mean) == 1
    image = Image.new("L", (64, 64), 90) if grey else Image.new("RGB", (64, 64), (30, 90, 200))
    try:
        found = processor(image, return_tensors="np")["pixel_values"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    return np.asarray(found[0])[:, 0, 0]
