"""The toolkit as a distribution: its name on the package index, its version, its extras."""

from __future__ import annotations

#: On the package index `toolkit` belongs to another project; command and import name are our own.
DISTRIBUTION = "finetune-toolkit"
#: The one place of the version: pyproject.toml reads it here.
__version__ = "0.2.0"
#: Extras that a user may want -> what they are for; those of pyproject.toml but for development.
EXTRAS = {
    "starter": "a pretrained sentence encoder that needs no Hub",
    "vision": "images: reading and augmentation",
    "tabular": "tables: features of earlier rows",
    "generation": "scores of generated texts: BLEU, chrF, TER, ROUGE",
    "serve": "toolkit serve",
    "onnx": "toolkit export --to onnx and int8",
    "qlora": "method qlora",
    "sweep": "toolkit sweep --search tpe",
    "cluster": "--on ray: runs and batch predictions on a Ray cluster",
    "trackers": "training.report_to: tensorboard, mlflow",
}


def extra(name: str) -> str:
    """Return the command that installs an extra of the toolkit."""
    return f"pip install '{DISTRIBUTION}[{name}]'"
