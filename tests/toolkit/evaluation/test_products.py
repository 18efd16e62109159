"""Linear layers of predictions on CPUs: the faster product, which is the same one in float32."""

from __future__ import annotations

import pytest
import torch
from text_rows import sentences
from torch.nn import Linear
from torch.profiler import profile

from toolkit.evaluation import products
from toolkit.runs.predictor import load_predictor

DOUBLE = 1e-5  # what float32 may differ by from float64, for a few hundred numbers about 1
FAST = "mkldnn::_linear_pointwise"


def operations(work):
    """Return what work returns, and the names of the operations of torch that it took."""
    with profile() as seen:
        found = work()
    return found, {event.key for event in seen.key_averages()}


@pytest.fixture
def anywhere(monkeypatch):
    """The faster product on any processor that has it at all."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch is built without oneDNN")
    monkeypatch.setattr(products, "usable", lambda: True)


@pytest.mark.parametrize("shape", [(9, 64), (3, 5, 64), (1, 200, 64), (64,), (2, 64), (0, 64)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_that_of_float32(anywhere, shape, bias):
    torch.manual_seed(1)
    layer, rows = Linear(64, 40, bias=bias), torch.randn(shape)
    with torch.inference_mode(), products.fast_products():
        found, names = operations(lambda: layer(rows))
    exact = layer.double()(rows.double())
    assert found.shape == exact.shape
    assert (found - exact).abs().max().item() < DOUBLE if found.numel() else True
    assert (FAST in names) == (rows.numel() >= products.FEWEST * 64)


def test_what_is_trained_rounded_or_not_contiguous_is_right_as_well(anywhere):
    torch.manual_seed(1)
    layer, rows = Linear(64, 40), torch.randn(64, 30).T
    with products.fast_products():
        layer(rows).sum().backward()
        assert layer.weight.grad is not None
        with torch.inference_mode():
            assert torch.allclose(layer(rows), layer(rows.contiguous()), atol=DOUBLE)
            assert layer.bfloat16()(rows.bfloat16()).dtype == torch.bfloat16
            with torch.autocast("cpu", torch.bfloat16):
                assert layer.float()(rows).dtype == torch.bfloat16


def test_a_run_predicts_with_it_where_it_is_the_faster_one(finished):
    predictor = load_predictor(finished("text-classification").path)
    rows = [{"text": text} for text, _ in sentences(16)]
    found, names = operations(lambda: predictor.predict(rows))
    assert len(found) == 16
    assert (FAST in names) == products.usable()
