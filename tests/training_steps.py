"""Small models and batches, and a plain training loop: for ways of a training step."""

from __future__ import annotations

import copy

import torch
import transformers
from tape import Tapes

from toolkit.training.captured import Captured
from toolkit.training.eager import Way
from toolkit.training.row_weights import RowWeightsMixin, items_of

ROWS = 4


class Weighed(RowWeightsMixin, transformers.Trainer):
    pass


def config(**settings):
    sizes = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 32, "max_position_embeddings": 128, "pad_token_id": 0,
             "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
             "num_labels": 3}  # fmt: skip
    return transformers.BertConfig(**{**sizes, **settings})


def bert(kind=transformers.BertForSequenceClassification, **settings):
    torch.manual_seed(0)
    return kind(config(**settings))


def batch(length, rows=ROWS, per_token=False, seed=0):
    """Return a batch whose longest row has `length` tokens."""
    generator = torch.Generator().manual_seed(seed * 1000 + length)
    ids = torch.randint(1, 50, (rows, length), generator=generator)
    lengths = torch.randint(1, length + 1, (rows,), generator=generator)
    lengths[0] = length
    mask = (torch.arange(length) < lengths[:, None]).long()
    labels = torch.randint(0, 3, (rows, length) if per_token else (rows,), generator=generator)
    return {"input_ids": ids * mask, "attention_mask": mask,
            "labels": labels.where(mask.bool(), -100) if per_token else labels}  # fmt: skip


def trained(way, batches, parts=1):
    """Take a step for each `parts` batches, as a training loop does; return losses and weights."""
    trainer, losses = way.trainer, []
    optimizer = torch.optim.SGD(trainer.model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    for start in range(0, len(batches), parts):
        step = batches[start : start + parts]
        trainer.toolkit_items = torch.as_tensor(sum(map(items_of, step)), dtype=torch.float32)
        for inputs in step:
            losses.append(float(way.forward_backward(dict(inputs), None)))
        optimizer.step()
        optimizer.zero_grad(set_to_none=not way.keeps_gradients)
    return losses, {k: v.clone() for k, v in trainer.model.state_dict().items()}


def captured(trainer, model):
    return Captured(trainer, model, graphs=Tapes())


def both(trainer_of, model, batches, parts=1, way=captured, **settings):
    """Train twice from the same weights: plainly, and in a way. Return that way, too."""
    settings |= {"gradient_accumulation_steps": parts}
    other = copy.deepcopy(model)
    plain = Way(trainer_of(model, **settings), model)  # a Trainer sets the seed
    torch.manual_seed(1)
    expected = trained(plain, batches, parts)
    made = way(trainer_of(other, **settings), other)
    torch.manual_seed(1)
    return expected, trained(made, batches, parts), made


def alike(one, other, **tolerance):
    torch.testing.assert_close(torch.tensor(one[0]), torch.tensor(other[0]), **tolerance)
    torch.testing.assert_close(one[1], other[1], **tolerance)


CLOSE = {"rtol": 1e-4, "atol": 1e-5}
SIZES = {"vocab_size": 50, "max_position_embeddings": 64, "pad_token_id": 0, "num_labels": 3}
WIDE = {**SIZES, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
        "intermediate_size": 32, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0}  # fmt: skip
MODERN = {**SIZES, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
          "intermediate_size": 32, "local_attention": 8, "global_attn_every_n_layers": 2,
          "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}  # fmt: skip
DISTIL = {**SIZES, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "dropout": 0.0,
          "attention_dropout": 0.0, "seq_classif_dropout": 0.0}  # fmt: skip
ENCODERS = {
    "BERT": (transformers.BertForSequenceClassification, transformers.BertConfig(**WIDE)),
    "RoBERTa": (transformers.RobertaForSequenceClassification,
                transformers.RobertaConfig(**WIDE | {"max_position_embeddings": 70})),
    "ELECTRA": (transformers.ElectraForSequenceClassification,
                transformers.ElectraConfig(**WIDE, embedding_size=16)),
    "DistilBERT": (transformers.DistilBertForSequenceClassification,
                   transformers.DistilBertConfig(**DISTIL)),
    "ModernBERT": (transformers.ModernBertForSequenceClassification,
                   transformers.ModernBertConfig(**MODERN)),
    "tokens": (transformers.BertForTokenClassification, transformers.BertConfig(**WIDE)),
    "tokens, rotary": (transformers.ModernBertForTokenClassification,
                       transformers.ModernBertConfig(**MODERN)),
}  # fmt: skip
