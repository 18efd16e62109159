"""The handwritten digits that ship with scikit-learn, as rows: `plugin:digits`.

1,797 images of 8 x 8 pixels: the test set of the "Optical Recognition of Handwritten Digits" data
(Alpaydin and Kaynak 1998, UCI Machine Learning Repository, CC BY 4.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit_plugins.vision import generated

if TYPE_CHECKING:
    import datasets


def digits() -> datasets.Dataset:
    """Return rows of `image` and `label` ("0" to "9")."""
    import datasets
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = (found.images * (255 / 16)).round().astype("uint8")  # from 0 to 16
    images = (generated.png(values) for values in grey)
    names = datasets.ClassLabel(names=list("0123456789"))
    return generated.rows(zip(images, found.target.tolist(), strict=True), "label", names)
