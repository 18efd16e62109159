"""The plugin's Trainer, with validation scored as the test split, and rows batched by length."""

from __future__ import annotations

import shutil
import time
import warnings
from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.columns import numbers
from toolkit.errors import BatchSizeError, TrainingError
from toolkit.evaluation import padding, run_metrics
from toolkit.evaluation.predicting import predict
from toolkit.evaluation.scoring import score
from toolkit.models import methods
from toolkit.models.method import Method
from toolkit.plugin import Plugin
from toolkit.recipe.schema import MethodSpec
from toolkit.training import batching, checkpoints, memory
from toolkit.training.row_weights import RowWeightsMixin
from toolkit.training.train import unwrap_model
from toolkit.utils import distributed
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets
    import transformers

#: What the `training:` block says of loading, as DataLoader calls it.
LOADING = ("num_workers", "pin_memory", "persistent_workers", "prefetch_factor", "drop_last",
           "in_order", "multiprocessing_context")  # fmt: skip
#: Methods without which a Trainer's batches are made of its rows as transformers' are.
LOADERS = ("get_train_dataloader", "_get_dataloader", "_remove_unused_columns")


class DecodedEvaluationMixin:
    """Mixed into a Trainer: validation goes through the plugin's `decode` and metrics, streamed.

    So the score that chooses the checkpoint is computed as the score in the report is, and no
    logits pile up.
    """

    toolkit_plugin: Plugin[Any]
    toolkit_rows: datasets.Dataset | None
    toolkit_inputs: Any  # the same as `prepare` made them: a Trainer may make others of them
    toolkit_model: Any  # as it was handed over
    toolkit_method: Method
    toolkit_eval_seconds: float = 0.0
    toolkit_loads: bool = False  # its batches are made as transformers makes them
    toolkit_auto: bool = False  # how many rows a pass has is left to the toolkit
    toolkit_tokens: int | None = None  # of a pass, at most

    def _get_train_sampler(self: Any, train_dataset: Any = None) -> Any:
        # Not the one passed: that has lost the columns that the model does not take.
        arguments, rows = self.args, self.train_dataset
        grouped = arguments.train_sampling_strategy == "group_by_length"
        if not grouped or arguments.length_column_name not in getattr(rows, "column_names", ()):
            return super()._get_train_sampler(train_dataset)  # type: ignore[misc]  # Trainer's
        from toolkit.training.sampler import LengthGroupedBatches

        seed = arguments.seed if arguments.data_seed is None else arguments.data_seed
        size = arguments.train_batch_size * arguments.world_size
        return LengthGroupedBatches(self._lengths(), size, seed, lambda: int(self.state.epoch or 0))

    def get_train_dataloader(self: Any) -> Any:
        """Return the training batches; padded from arrow where they come out the same."""
        import datasets
        from torch.utils.data import DataLoader
        from transformers.trainer_utils import seed_worker

        tables = None
        if isinstance(rows := self.train_dataset, datasets.Dataset) and self.toolkit_loads:
            rows = self._remove_unused_columns(rows, "training")
            tables = padding.table_collator(self.data_collator, rows)
        if tables is None and self.toolkit_tokens is None:
            return super().get_train_dataloader()  # type: ignore[misc]  # Trainer, by the mixin
        sampler, collate = self._get_train_sampler(rows), tables or self.data_collator
        if tables is not None:
            rows = padding.ArrowRows(rows)
        if self.toolkit_tokens is not None:
            rows = batching.DividedRows(rows, self._lengths(), self.toolkit_tokens)
            collate = batching.Each(collate)
        asked = {name: getattr(self.args, f"dataloader_{name}") for name in LOADING}
        seeded = partial(
            seed_worker, num_workers=asked["num_workers"], rank=self.args.process_index
        )
        loader: Any = DataLoader(rows, self._train_batch_size, sampler=sampler,
                                 collate_fn=collate, worker_init_fn=seeded, **asked)  # fmt: skip
        return self.accelerator.prepare(loader)

    def _lengths(self: Any) -> Any:
        """Return the tokens of each training row; 1 where rows have no length."""
        rows, name = self.train_dataset, self.args.length_column_name
        if name not in getattr(rows, "column_names", ()):
            return np.ones(len(rows), np.int64)
        return numbers(rows, name)

    def too_large(self: Any, error: BaseException) -> BatchSizeError:
        """Return the error for a step that did not fit into memory, with what to try instead."""
        if not self.toolkit_auto:
            return memory.too_large(self.args, error)
        longest = int(self._lengths().max())
        return memory.too_many_tokens(
            self.args.train_batch_size, longest, self.toolkit_tokens, error
        )

    def create_optimizer(self: Any, model: Any = None) -> Any:
        """Make the optimizer, and give parameters the learning rates that the method wants."""
        optimizer = super().create_optimizer(model)  # type: ignore[misc]  # Trainer, by the mixin
        factors = self.toolkit_method.learning_rates(self.model)
        if factors:
            named = {p: factors.get(name, 1.0) for name, p in self.model.named_parameters()}
            scale_groups(optimizer, named)
        return optimizer

    def _save_checkpoint(self: Any, model: Any, trial: Any) -> None:
        """Write a checkpoint aside, move it in one step, and only then remove older ones.

        Raises:
            TrainingError: weights are not finite; none is written of them.
        """
        from transformers.trainer_utils import rotate_checkpoints

        from toolkit.training.callbacks.divergence import refuse_divergence

        refuse_divergence(self.model, self.state.global_step)
        folder, limit = Path(self.args.output_dir), self.args.save_total_limit
        side = folder / checkpoints.SIDE
        if distributed.is_main():
            shutil.rmtree(side, ignore_errors=True)
        distributed.barrier()
        try:
            self.args.output_dir, self.args.save_total_limit = str(side), None
            super()._save_checkpoint(model, trial)  # type: ignore[misc]  # Trainer, by the mixin
        finally:
            self.args.output_dir, self.args.save_total_limit = str(folder), limit
        checkpoints.point_to_best(self.state, folder)
        distributed.barrier()  # every rank has written its random state
        if self.args.should_save:
            written = side / f"checkpoint-{self.state.global_step}"
            self.state.save_to_json(str(written / checkpoints.STATE))
            for callback in self.callback_handler.callbacks:
                if isinstance(callback, checkpoints.Keeper):
                    callback.keep(written, self.model)
            checkpoints.commit(written, folder)
            rotate_checkpoints(str(folder), limit, self.state.best_model_checkpoint)
        distributed.barrier()

    def _save(self: Any, *arguments: Any, **named: Any) -> None:
        with checkpoints.own_names(self.accelerator.unwrap_model(self.model)):
            super()._save(*arguments, **named)  # type: ignore[misc]  # Trainer, by the mixin

    def _issue_warnings_after_load(self: Any, load_result: Any) -> None:
        if load_result.unexpected_keys:  # otherwise one line in a log that nobody reads
            names = listing(load_result.unexpected_keys, 3)
            raise TrainingError(f"a checkpoint's weights are not those of the model: {names}")
        tied = getattr(self.accelerator.unwrap_model(self.model), "all_tied_weights_keys", None)
        if {*load_result.missing_keys} <= {*(tied or ())}:  # they are there under another name
            return
        super()._issue_warnings_after_load(load_result)  # type: ignore[misc]  # Trainer, by the mixin

    def evaluate(
        self: Any,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Score the validation split; keys are `eval_loss` and `eval_<metric>`."""
        if eval_dataset is not None or self.toolkit_rows is None:
            found: dict[str, float] = super().evaluate(  # type: ignore[misc]  # Trainer, by the mixin
                eval_dataset, ignore_keys, metric_key_prefix
            )
            return found
        start = time.monotonic()
        plugin, rows, losses = self.toolkit_plugin, self.toolkit_rows, []
        model, inputs = unwrap_model(self, self.toolkit_model), self.toolkit_inputs

        def pairs() -> Any:
            size = self.args.per_device_eval_batch_size
            for batch in predict(plugin, model, rows, inputs, size, with_loss=True):
                if batch.loss_sum is not None:
                    losses.append(batch.loss_sum)
                raw = rows.select(range(batch.start, batch.start + len(batch.predictions)))
                yield batch.predictions, plugin.references(raw.to_list())

        metrics: dict[str, float] = {}
        try:
            if distributed.is_main():
                scores = score(run_metrics.modules(plugin), pairs())
                metrics = {f"{metric_key_prefix}_{k}": v["value"] for k, v in scores.items()}
            else:
                deque(pairs(), maxlen=0)
        except (RuntimeError, MemoryError) as error:
            if not memory.is_out(error):
                raise
            raise _evaluation_too_large(self.args.per_device_eval_batch_size) from error
        if losses:
            metrics[f"{metric_key_prefix}_loss"] = sum(losses) / len(inputs)
        # By it every rank keeps the same checkpoint, and stops in the same epoch.
        metrics = distributed.broadcast_object(metrics)
        self.toolkit_eval_seconds += time.monotonic() - start
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def _evaluation_too_large(rows: int) -> TrainingError:
    return TrainingError(  # smaller training batches do not help
        f"validation runs out of memory with {rows} rows at a time: try --set "
        f"training.per_device_eval_batch_size={max(1, rows // 4)}"
    )


def scale_groups(optimizer: Any, factors: Mapping[Any, float]) -> None:
    """Split an optimizer's groups by the factor on their parameters' learning rate."""
    groups = list(optimizer.param_groups)
    optimizer.param_groups.clear()
    for group in groups:
        for factor in sorted({factors[p] for p in group["params"]}):
            chosen = [p for p in group["params"] if factors[p] == factor]
            optimizer.add_param_group({**group, "params": chosen, "lr": group["lr"] * factor})


def build_trainer(
    plugin: Plugin[Any], base: type[Any] | None = None, **parts: Any
) -> transformers.Trainer:
    """Return the plugin's Trainer with validation scored by the plugin's own metrics.

    Args:
        base: the class; by default the one that the plugin names. A plugin that makes its class
            when it is needed, so that its module imports quickly, gives it here.
    """
    import transformers

    from toolkit.training.loop import LeanLoopMixin

    base = base or plugin.Trainer or transformers.Trainer
    cls = type(
        f"Scored{base.__name__}", (DecodedEvaluationMixin, LeanLoopMixin, RowWeightsMixin, base), {}
    )
    with warnings.catch_warnings():
        if parts.get("compute_loss_func"):  # it does the smoothing itself
            warnings.filterwarnings("ignore", "Label smoothing is not compatible")
        trainer = cls(**parts)
    trainer.toolkit_plugin = plugin
    training = plugin.recipe.training if plugin.recipe else {}
    # With `batch_rebalance` transformers' sampler makes the batches of all ranks.
    trainer.toolkit_loads = trainer.args.train_sampling_strategy != "batch_rebalance" and all(
        getattr(base, name) is getattr(transformers.Trainer, name) for name in LOADERS
    )
    # transformers' own loop takes a batch in one pass.
    divides = trainer.toolkit_loads and trainer.lean()
    trainer.toolkit_auto = divides and batching.is_auto(training)
    trainer.toolkit_tokens = training.get(batching.TOKENS) if divides else None
    trainer.toolkit_method = methods.method_for(
        plugin.recipe.method if plugin.recipe else MethodSpec()
    )
    rows = plugin.data.get("validation") if plugin.data is not None else None
    trainer.toolkit_inputs, trainer.toolkit_model = parts.get("eval_dataset"), plugin.model
    trainer.toolkit_rows = rows if trainer.toolkit_inputs is not None else None
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer  # type: ignore[no-any-return]  # a class made at run time
