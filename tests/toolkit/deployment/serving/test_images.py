"""`toolkit serve` for scenarios that answer with places in an image: boxes and masks."""

from __future__ import annotations

import base64
import io
import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from toolkit.deployment.serving import Server, ServerSettings

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
WIDTH, HEIGHT = 160, 96
RUNS = {"boxes": "object-detection", "masks": "image-segmentation"}


@pytest.fixture(scope="module")
def url(finished):
    runs = {name: finished(scenario) for name, scenario in RUNS.items()}
    with Server(runs, ServerSettings(port=0)) as server:
        yield server.url


def ask(url, name, content, query=""):
    """Return status and JSON of the answer to an encoded image."""
    body = json.dumps({"image": base64.b64encode(content).decode()}).encode()
    request = urllib.request.Request(f"{url}/models/{name}/predict{query}", body)  # noqa: S310
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def photo(mode="RGB", turned=False):
    """Return a JPEG of a red and a blue square; turned: stored on its side, with an EXIF tag."""
    pixels = np.full((HEIGHT, WIDTH, 3), 230, np.uint8)
    pixels[10:58, 20:68], pixels[60:84, 110:134] = (200, 30, 30), (30, 30, 200)
    image, exif = Image.fromarray(pixels).convert(mode), Image.Exif()
    if turned:
        image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6
    held = io.BytesIO()
    image.save(held, "JPEG", quality=95, exif=exif)
    return held.getvalue()


def edges(answer):
    found = sorted(answer["objects"] + answer["candidates"], key=lambda one: one["box"])
    return np.array([one["box"] for one in found])


def opened(address):
    """Return the image of a data URL."""
    kind, _, content = address.partition(",")
    assert kind.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_boxes_are_in_pixels_of_the_upright_photo(url):
    status, found = ask(url, "boxes", photo())
    assert status == 200
    assert set(found) == {"objects", "candidates", "counts"}
    boxes = edges(found)
    assert 64 < boxes[:, 2].max() <= WIDTH  # beyond the 64 pixels that the model sees
    assert boxes.min() >= 0
    assert boxes[:, 3].max() <= HEIGHT
    turned = edges(ask(url, "boxes", photo(turned=True))[1])
    assert turned == pytest.approx(boxes, abs=2)


@pytest.mark.parametrize("turned", [False, True])
def test_a_mask_is_an_image_of_the_upright_photos_size(url, turned):
    status, found = ask(url, "masks", photo(turned=turned))
    assert status == 200
    mask = opened(found["mask"]["file"])
    assert mask.size == (WIDTH, HEIGHT)
    assert set(np.unique(np.asarray(mask))) <= {0, 1, 2}


@pytest.mark.parametrize("name", RUNS)
def test_the_page_shows_the_photo_and_what_was_found(url, name):
    status, answer = ask(url, name, photo("L"), "?show")
    assert status == 200
    drawn = opened(answer["html"].partition('src="')[2].partition('"')[0])
    assert drawn.width == 2 * WIDTH  # enlarged by a whole factor, so that names have room
    assert drawn.height >= 2 * HEIGHT
    assert "prediction" in answer


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("content", [b"no image", photo()[:600]], ids=["text", "cut"])
def test_a_broken_photo_is_refused_with_the_reason(url, name, content):
    status, answer = ask(url, name, content)
    assert (status, answer["detail"][0]["msg"]) == (422, "image cannot be read")
