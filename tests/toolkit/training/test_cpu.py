"""What makes training on CPUs faster must not change what is computed."""

import pytest
import torch
import transformers
from torch.nn import functional

from toolkit.training.cpu import cheap_dropout, plain_attention


@pytest.mark.parametrize(("rate", "dtype"), [(0.1, torch.float32), (0.5, torch.bfloat16)])
def test_masks_keep_the_mean_and_repeat_with_the_seed(rate, dtype):
    values = torch.ones(300, 401, dtype=dtype, requires_grad=True)
    with cheap_dropout("cpu"):
        torch.manual_seed(3)
        first = functional.dropout(values, rate)
        torch.manual_seed(3)
        again = functional.dropout(values, rate)
        other = functional.dropout(values, rate)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    dropped = first == 0
    assert abs(dropped.float().mean().item() - rate) < 0.005
    kept = first[~dropped].float().unique()
    assert kept.tolist() == pytest.approx([1 / (1 - rate)], rel=1e-2)
    # Neighbours are decided by the same random number, but apart from each other.
    pairs = torch.stack([dropped.flatten()[:-1], dropped.flatten()[1:]]).float()
    assert abs(torch.corrcoef(pairs)[0, 1].item()) < 0.02
    first.float().sum().backward()
    assert torch.equal(values.grad == 0, dropped)


def test_dropout_is_torchs_own_again_afterwards_and_elsewhere():
    usual = functional.dropout
    with cheap_dropout("cpu"):
        assert functional.dropout is not usual
        values = torch.ones(4, 4)
        assert torch.equal(functional.dropout(values, 0.5, training=False), values)
        assert torch.equal(functional.dropout(values, 1.0), torch.zeros(4, 4))
    assert functional.dropout is usual
    with pytest.raises(RuntimeError), cheap_dropout("cpu"):
        raise RuntimeError
    assert functional.dropout is usual
    with cheap_dropout("cuda"):
        assert functional.dropout is usual


@pytest.mark.parametrize(("tokens", "found"), [(128, "eager"), (129, "sdpa"), (None, "sdpa")])
def test_attention_goes_step_by_step_where_rows_are_short(tiny_model, tokens, found):
    model = transformers.AutoModel.from_pretrained(tiny_model).eval()
    rows = {"input_ids": torch.arange(5, 15).view(2, 5)}
    before = model(**rows).last_hidden_state
    plain_attention(model, tokens)
    assert model.config._attn_implementation == found
    torch.testing.assert_close(model(**rows).last_hidden_state, before, atol=1e-5, rtol=1e-5)
