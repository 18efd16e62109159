"""Steps captured as CUDA graphs: one launch instead of a thousand for forward, loss and backward.

A small batch leaves a GPU waiting for Python, which launches its kernels one by one. A graph has
them all, for one shape of batch; batches are therefore padded to a few lengths (`buckets`). What a
graph does not hold is run plainly: batches with fewer rows (the last of an epoch), longer ones, and
all of them once anything has gone wrong. Which batch goes which way depends on its shape alone, so
a resumed run takes the same ways.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from toolkit.evaluation.predicting import evaluating
from toolkit.training import buckets
from toolkit.training.cuda_graphs import CudaGraphs, Run
from toolkit.training.eager import Inputs, Way
from toolkit.training.outcomes import UnfitError, reason, require_alike
from toolkit.training.untouched import host_random, same_random, untouched

MOST = 16  # graphs
#: Replays after which a graph is compared with the plain step again, for what changes on the host.
CHECKED = frozenset({10, 100, 1_000, 10_000, 100_000})
Values = dict[tuple[str, str], torch.Tensor]  # ("batch", an input), ("trainer", an attribute), ...


class _Graph:
    """One shape of batch: where its values are written to, and what runs on them."""

    def __init__(self, values: Values) -> None:
        self.buffers = {name: value.clone() for name, value in values.items()}
        self.loss = torch.zeros((), device=next(iter(values.values())).device)
        self.gradients: dict[Any, torch.Tensor] = {}  # of a parameter
        self.replay: Run | None = None
        self.replays = 0

    def load(self, values: Values) -> None:
        for name, buffer in self.buffers.items():
            buffer.copy_(values[name], non_blocking=True)

    def mask_one_token(self) -> None:
        """Leave a token out: without any padding the model would take other kernels.

        transformers drops a mask that hides nothing, except while a graph is captured.
        """
        mask = self.buffers.get(("batch", "attention_mask"))
        if mask is not None and mask.dim() == 2:
            mask[mask.sum(1).argmax(), -1] = 0


class Captured(Way):
    """Takes steps by graphs; gradients stay where they are, and graphs add to them."""

    name = "captured"
    keeps_gradients = True

    def __init__(
        self, trainer: Any, model: Any, note: str | None = None, graphs: Any = None
    ) -> None:
        """Capture nothing yet.

        Args:
            graphs: what captures a function and warms it up; CUDA's where not given.
        """
        super().__init__(trainer, model, note)
        self.device: torch.device = next(model.parameters()).device
        self.graphs = graphs or CudaGraphs(self.device)
        self.captured: dict[Hashable, _Graph] = {}
        self.gradients: dict[Any, torch.Tensor] = {}
        self.padding_checked = False

    def forward_backward(self, inputs: Inputs, num_items: Any) -> Any:
        """Run the batch's graph, captured now if it is the first of its shape."""
        values = self.values(inputs, num_items)
        graph = None if values is None else self._graph(values, inputs, num_items)
        if values is None or graph is None or graph.replay is None:
            return super().forward_backward(inputs, num_items)
        self._attach(graph)
        graph.load(values)
        graph.replay()
        graph.replays += 1
        return graph.loss.clone()

    def values(self, inputs: Inputs, num_items: Any) -> Values | None:
        """Return all that a graph reads of a batch; None where the batch is run plainly."""
        if self.name != "captured":  # given up
            return None
        trainer, arguments = self.trainer, self.trainer.args
        parts, rows = arguments.gradient_accumulation_steps, arguments.train_batch_size
        whole = getattr(trainer, "current_gradient_accumulation_steps", parts) == parts
        found = buckets.padded(inputs, getattr(self.model, "config", None))
        if not (found and whole and all(v.shape[:1] == (rows,) for v in found.values())):
            return None
        if {value.device for value in found.values()} != {self.device}:
            return None
        # What the Trainer keeps of a step: the items over all its batches, for one.
        kept = {("trainer", name): value for name, value in vars(trainer).items()
                if isinstance(value, torch.Tensor) and value.dim() == 0}  # fmt: skip
        if num_items is not None:
            kept["step", "num_items"] = num_items
        step = {name: torch.as_tensor(value, device=self.device) for name, value in kept.items()}
        return step | {("batch", name): value for name, value in found.items()}

    def _graph(self, values: Values, inputs: Inputs, num_items: Any) -> _Graph | None:
        shapes = (*((name, value.shape, value.dtype) for name, value in sorted(values.items())),)
        key = (shapes, *(parameter.requires_grad for parameter in self.model.parameters()))
        graph = self.captured.get(key)
        try:
            if graph is None and len(self.captured) < MOST:
                self._check_padding(values, inputs, num_items)
                graph = self.captured[key] = self._capture(values)
            elif graph is not None and graph.replays in CHECKED:
                with untouched(self.model):
                    self._check(graph, values)
        except Exception as error:  # whatever it is, the plain step is still there
            self._give_up(error)
            return None
        return graph

    def _give_up(self, error: Exception) -> None:
        self.name = "eager"
        self.note = f"plain steps, as capturing them failed: {reason(error)}"
        self.captured.clear()
        self.keeps_gradients = False

    def _step(self, graph: _Graph) -> None:
        """What is captured: the Trainer's own step on the graph's values."""
        buffers = graph.buffers
        own = {name: value for (kind, name), value in buffers.items() if kind == "trainer"}
        batch = {name: value for (kind, name), value in buffers.items() if kind == "batch"}
        with _attributes(self.trainer, own):
            loss = self.trainer.training_step(self.model, batch, buffers.get(("step", "num_items")))
        graph.loss.copy_(loss)

    def _capture(self, values: Values) -> _Graph:
        graph = _Graph(values)
        graph.mask_one_token()
        run = partial(self._step, graph)
        with untouched(self.model):
            graph.gradients = self._find_gradients(run)
            self._attach(graph)
            graph.replay = self.graphs.capture(run)
            for parameter in self.model.parameters():
                if parameter.grad is not graph.gradients.get(parameter):
                    raise UnfitError("other parameters got gradients in the graph")
            self._check(graph, values)
        return graph

    def _find_gradients(self, run: Run) -> dict[Any, torch.Tensor]:
        """Take a plain step; return where the graph adds, for each parameter that it reaches.

        The others stay without a gradient, so that the optimizer leaves them alone.
        """
        for parameter in self.model.parameters():
            parameter.grad = None
        before = host_random(self.device)
        self.graphs.warm_up(run)
        if host_random(self.device) != before:
            raise UnfitError("a step draws random numbers outside of the GPU")
        reached = [p for p in self.model.parameters() if p.grad is not None]
        for parameter in reached:
            if parameter not in self.gradients:
                self.gradients[parameter] = torch.zeros_like(parameter.grad)
        return {parameter: self.gradients[parameter] for parameter in reached}

    def _attach(self, graph: _Graph) -> None:
        """Make the graph's gradients those of the parameters, with what these hold by now."""
        for parameter, gradient in graph.gradients.items():
            if parameter.grad is None:
                gradient.zero_()
            elif parameter.grad is not gradient:
                gradient.copy_(parameter.grad)
            parameter.grad = gradient

    def _check(self, graph: _Graph, values: Values) -> None:
        """Compare the graph with the plain step, on the same values and random numbers."""
        graph.load(values)
        graph.mask_one_token()
        self._attach(graph)
        plain = partial(self.graphs.warm_up, partial(self._step, graph))
        expected, found = (self._outcome(graph, run) for run in (plain, graph.replay))
        require_alike(
            self.trainer, "as a graph, a step gives a loss and gradient norm of", found, expected
        )

    def _outcome(self, graph: _Graph, run: Any) -> list[float]:
        for gradient in graph.gradients.values():
            gradient.zero_()
        with same_random(self.device):
            run()
        norm = torch.nn.utils.get_total_norm(list(graph.gradients.values()))
        return [float(graph.loss), float(norm)]

    def _check_padding(self, values: Values, inputs: Inputs, num_items: Any) -> None:
        """Compare a batch's loss, without dropout, with that of the padded batch; once."""
        batch = {name: value for (kind, name), value in values.items() if kind == "batch"}
        if self.padding_checked or all(v.shape == inputs[n].shape for n, v in batch.items()):
            return
        loss = self.trainer.compute_loss
        with evaluating(self.model), torch.no_grad():
            found, expected = (
                [float(loss(self.model, dict(x), num_items_in_batch=num_items))]
                for x in (batch, inputs)
            )
        require_alike(self.trainer, "with padding, a batch gives a loss of", found, expected)
        self.padding_checked = True


@contextmanager
def _attributes(holder: Any, values: dict[str, Any]) -> Iterator[None]:
    before = {name: getattr(holder, name) for name in values}
    vars(holder).update(values)
    try:
        yield
    finally:
        vars(holder).update(before)
