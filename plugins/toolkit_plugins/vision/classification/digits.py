"""The handwritten digits that ship with scikit-learn, as rows: `plugin:digits`.

1,797 images of 8 x 8 pixels: the test set of the "Optical Recognition of Handwritten Digits" data
(Alpaydin and Kaynak 1998, UCI Machine Learning Repository, CC BY 4.0).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datasets


def digits() -> datasets.Dataset:
    """Return rows of `image` and `label` ("0" to "9")."""
    import datasets
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    files = []
    for values in found.images:  # grey, from 0 to 16
        file = io.BytesIO()
        Image.fromarray((values * (255 / 16)).round().astype("uint8")).save(file, "png")
        files.append({"bytes": file.getvalue(), "path": None})
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list("0123456789"))}
    )
    return datasets.Dataset.from_dict(
        {"image": files, "label": found.target.tolist()}, features=features
    )
