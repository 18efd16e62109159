"""An epoch with little between its steps: the Trainer's own, without what only some runs need.

A step of transformers' loop walks over all modules and parameters several times (to switch to
training mode, to count FLOPs, to zero gradients), looks on disk for packages, and wraps each call.
On fast GPUs, where launching the kernels of a step takes as long as they run, it decides the speed.
What is computed is the same, in the same order: weights are equal to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
import transformers
from accelerate import skip_first_batches
from accelerate.utils import DistributedType
from transformers import TrainerCallback
from transformers.trainer_utils import SchedulerType

from toolkit.training import ways
from toolkit.training.eager import Way

PLAIN = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
#: Methods that this loop takes the place of: a Trainer with one of its own keeps transformers'.
REPLACED = ("training_step", "get_batch_samples", "_prepare_inputs", "_clip_grad_norm",
            "_get_grad_norm", "_track_num_input_tokens", "autocast_smart_context_manager",
            "compute_loss_context_manager")  # fmt: skip
#: What transformers hands to it; where that has changed, its own loop is used.
NAMED = {"model", "epoch", "train_dataloader", "steps_in_epoch", "num_update_steps_per_epoch",
         "trial", "ignore_keys_for_eval", "start_time", "resume_from_checkpoint", "epochs_trained",
         "steps_trained_in_current_epoch"}  # fmt: skip
EVENTS = ("on_step_begin", "on_substep_end", "on_pre_optimizer_step", "on_optimizer_step",
          "on_step_end")  # fmt: skip
#: Schedulers that want a metric, and step after it is known.
BY_METRIC = (SchedulerType.REDUCE_ON_PLATEAU, SchedulerType.GREEDY)


class LeanLoopMixin:
    """Mixed into a Trainer: `_run_epoch` with little between steps, where nothing special is on.

    Attributes:
        toolkit_way: how forward and backward are run; chosen before the first step.
        toolkit_recorded_way: that of the run which is resumed.
        toolkit_tell_way: is told the way, and again when it has changed.
    """

    toolkit_way: Way | None = None
    toolkit_recorded_way: Mapping[str, Any] | None = None
    toolkit_tell_way: Callable[[dict[str, Any]], None] | None = None
    _told: str | None = None

    def lean(self: Any) -> bool:
        """Return whether nothing is asked for that only transformers' own loop does."""
        arguments, accelerator, stock = self.args, self.accelerator, transformers.Trainer
        usual = all(getattr(type(self), name) is getattr(stock, name) for name in REPLACED)
        usual &= self._is_stock("_run_epoch")
        special = (
            arguments.logging_nan_inf_filter
            or arguments.torch_empty_cache_steps is not None
            or arguments.include_num_input_tokens_seen != "no"
            or arguments.ignore_data_skip
            or "lomo" in str(arguments.optim)
            or arguments.lr_scheduler_type in BY_METRIC
            or arguments.n_gpu > 1
            or self.is_fsdp_enabled
            or getattr(accelerator, "parallelism_config", None) is not None
            or accelerator.scaler is not None
            or accelerator.gradient_state.plugin_kwargs.get("sync_each_batch", False)
        )
        return usual and not special and accelerator.distributed_type in PLAIN

    def _is_stock(self: Any, name: str) -> bool:
        """Return whether the class beneath leaves a method of the Trainer as it is."""
        beneath = getattr(super(), name)
        return beneath.__func__ is getattr(transformers.Trainer, name)

    def floating_point_ops(self: Any, inputs: Any) -> int:
        """Return the FLOPs of forward and backward; parameters are counted once."""
        if not self._is_stock("floating_point_ops"):
            return int(super().floating_point_ops(inputs))  # type: ignore[misc]  # its own
        name = getattr(self.model, "main_input_name", "input_ids")
        if name not in inputs or not hasattr(self.model, "num_parameters"):
            return 0
        if not hasattr(self, "_toolkit_parameters"):
            self._toolkit_parameters = self.model.num_parameters(exclude_embeddings=True)
        return int(6 * inputs[name].numel() * self._toolkit_parameters)

    def _run_epoch(self: Any, **named: Any) -> None:
        if not self.lean() or {*named} != NAMED:
            super()._run_epoch(**named)  # type: ignore[misc]  # Trainer's
            return
        model, epoch, whole = named["model"], named["epoch"], named["steps_in_epoch"]
        batches, step, behind = self._batches_of(named)
        parts, heard = self.args.gradient_accumulation_steps, _heard(self.callback_handler)
        parameters = [p for p in model.parameters() if p.requires_grad]
        # What accelerate wraps around it is for gradient scalers; a scheduler wants one call of it.
        advance, plain = self.optimizer.step, getattr(self.optimizer, "optimizer", self.optimizer)
        grad_norm = rate = None
        if self.toolkit_way is None:
            left = self.state.max_steps - self.state.global_step
            self.toolkit_way = ways.chosen(self, model, left, self.toolkit_recorded_way)
        self._to_training_mode(model)
        self.accelerator.gradient_state._set_sync_gradients(True)  # each call of it is a step
        for _ in range(step // parts, named["num_update_steps_per_epoch"]):
            number = min(parts, whole - step)
            taken, items = self.get_batch_samples(batches, number, self.args.device)
            if not taken:
                break
            if behind:  # now that the batches before have been passed over
                self._load_rng_state(named["resume_from_checkpoint"])
                behind = False
            grad_norm, rate = self._step(model, taken, items, heard, parameters, advance)
            advance, step = plain.step, step + number
            self.state.epoch = epoch + step / whole
            self._tell(heard, "on_step_end")
            self._tell_way()
            control = self.control
            if control.should_log or control.should_evaluate or control.should_save:
                self._log_evaluate_save(named, grad_norm, rate)
                self._to_training_mode(model)
            if self.control.should_epoch_stop or self.control.should_training_stop:
                break
        if step == 0:  # no rows
            self.control.should_training_stop = True
        self.control = self.callback_handler.on_epoch_end(self.args, self.state, self.control)
        self._log_evaluate_save(named, grad_norm, rate)

    def _step(
        self: Any, model: Any, taken: list[Any], items: Any, heard: frozenset[str],
        parameters: list[Any], advance: Callable[[], Any],
    ) -> tuple[Any, float]:  # fmt: skip
        """Take an optimizer step; return the gradients' norm and the learning rate, for the log.

        Args:
            advance: lets the optimizer change the parameters.
        """
        control = self.control
        control.should_log = control.should_evaluate = control.should_save = False
        self._tell(heard, "on_step_begin")
        self._add_gradients(model, taken, items, heard)
        grad_norm = self._clipped(parameters)
        self._tell(heard, "on_pre_optimizer_step")
        advance()
        self._tell(heard, "on_optimizer_step")
        rate = self._get_learning_rate()
        self.lr_scheduler.step()
        self._zero_gradients(parameters)
        self.state.global_step += 1
        return grad_norm, rate

    def _batches_of(self: Any, named: dict[str, Any]) -> tuple[Iterator[Any], int, bool]:
        """Return the batches of an epoch, and where it is resumed, how many are passed over.

        The last is whether the random state of the checkpoint is to be taken up after the first
        batch, as drawing the order of the rows changes it.
        """
        loader, epoch, done = named["train_dataloader"], named["epoch"], 0
        if named["resume_from_checkpoint"] is not None and epoch == named["epochs_trained"]:
            done = named["steps_trained_in_current_epoch"]
            if done:
                loader = skip_first_batches(loader, done)
            else:
                self._load_rng_state(named["resume_from_checkpoint"])
        sampler = getattr(getattr(loader, "batch_sampler", None), "batch_sampler", None)
        for one in filter(None, (loader, sampler)):  # accelerate does not hand it on
            if hasattr(one, "set_epoch"):
                one.set_epoch(epoch)
        return iter(loader), done, done > 0

    def _to_training_mode(self: Any, model: Any) -> None:
        model.train()
        if callable(getattr(self.optimizer, "train", None)):  # of schedule-free optimizers
            self.optimizer.train()

    def _add_gradients(
        self: Any, model: Any, taken: list[Any], items: Any, heard: frozenset[str]
    ) -> None:
        """Run forward and backward of the batches of a step; ranks meet in the last."""
        self.current_gradient_accumulation_steps = len(taken)
        for place, inputs in enumerate(taken, 1):
            last = place == len(taken)
            with nullcontext() if last else self.accelerator.no_sync(model=model):
                self._tr_loss += self.toolkit_way.forward_backward(inputs, items)
            self.current_flos += float(self.floating_point_ops(inputs))
            if not last:
                self._tell(heard, "on_substep_end")

    def lean_step(self: Any, model: Any, inputs: Any, items: Any) -> torch.Tensor:
        """Add a batch's gradients, and return its loss as it counts in the step, detached."""
        loss = self.compute_loss(model, self._prepare_inputs(inputs), num_items_in_batch=items)
        scaled = self.loss_is_scaled_for_ga
        if scaled is None:  # by the model or by a loss function, over all batches of the step
            counted = self.model_accepts_loss_kwargs and items is not None
            scaled = counted or self.compute_loss_func is not None
        if not scaled:
            loss = loss / self.current_gradient_accumulation_steps
        loss.backward()
        found: torch.Tensor = loss.detach()
        return found

    def _zero_gradients(self: Any, parameters: list[Any]) -> None:
        if self.toolkit_way.keeps_gradients:
            torch._foreach_zero_([p.grad for p in parameters if p.grad is not None])
            return
        for parameter in parameters:
            parameter.grad = None

    def _tell_way(self: Any) -> None:
        """Tell the way, if it is not the plain one all along."""
        way = self.toolkit_way
        if way.note != self._told and self.toolkit_tell_way is not None:
            self._told = way.note
            self.toolkit_tell_way(way.record())

    def _clipped(self: Any, parameters: list[Any]) -> Any:
        """Clip the gradients, and return their norm before; None where nobody wants to know it."""
        limit = self.args.max_grad_norm
        if limit <= 0 and (self.state.global_step + 1) % max(self.state.logging_steps, 1):
            return None
        return torch.nn.utils.clip_grad_norm_(parameters, limit if limit > 0 else math.inf)

    def _tell(self: Any, heard: frozenset[str], event: str) -> None:
        if event in heard:
            call = getattr(self.callback_handler, event)
            self.control = call(self.args, self.state, self.control)

    def _log_evaluate_save(self: Any, named: dict[str, Any], grad_norm: Any, rate: Any) -> None:
        self._maybe_log_save_evaluate(
            self._tr_loss, grad_norm, named["model"], named["trial"], named["epoch"],
            named["ignore_keys_for_eval"], named["start_time"], learning_rate=rate,
        )  # fmt: skip


def _heard(handler: Any) -> frozenset[str]:
    """Return the events of a step that some callback does something at."""
    return frozenset(
        event
        for event in EVENTS
        for callback in handler.callbacks
        if getattr(getattr(callback, event), "__func__", None)
        is not getattr(TrainerCallback, event)
    )
