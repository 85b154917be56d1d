"""Hooks: what happens around the training loop, in the order in which the hooks are listed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ppocr.engine.run import TrainingRun


class Hook:
    """Something that happens at given moments of a run; a subclass overrides the moments it needs.

    ``before_train``, then per epoch ``before_epoch``, per batch ``after_step`` (and, where an optimizer step is due,
    ``before_update`` between the backward pass and that step), around each evaluation ``before_eval`` and
    ``after_eval``, ``after_epoch``; at the end ``after_train``, also where `TrainingRun.stop` ended the run early, or
    ``on_exception`` when an exception did. All are called on all ranks in the same order, with the exception of
    ``on_exception``.
    """

    key = ""
    """Name under which `state_dict` is kept in checkpoints; hooks with state set it."""

    def before_train(self, run: TrainingRun) -> None: ...

    def before_epoch(self, run: TrainingRun) -> None: ...

    def before_update(self, run: TrainingRun) -> None: ...

    def after_step(self, run: TrainingRun) -> None: ...

    def before_eval(self, run: TrainingRun) -> None: ...

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None: ...

    def after_epoch(self, run: TrainingRun) -> None: ...

    def after_train(self, run: TrainingRun) -> None: ...

    def on_exception(self, run: TrainingRun, error: BaseException) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know, as plain JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with a state of `state_dict`."""


class HookList:
    """Calls every hook in turn."""

    def __init__(self, hooks: Iterable[Hook]) -> None:
        self.hooks = list(hooks)

    def before_train(self, run: TrainingRun) -> None:
        """Call all hooks before the first epoch."""
        for hook in self.hooks:
            hook.before_train(run)

    def before_epoch(self, run: TrainingRun) -> None:
        """Call all hooks before an epoch."""
        for hook in self.hooks:
            hook.before_epoch(run)

    def before_update(self, run: TrainingRun) -> None:
        """Call all hooks before an optimizer step, whose gradients are complete."""
        for hook in self.hooks:
            hook.before_update(run)

    def after_step(self, run: TrainingRun) -> None:
        """Call all hooks after a batch."""
        for hook in self.hooks:
            hook.after_step(run)

    def before_eval(self, run: TrainingRun) -> None:
        """Call all hooks before an evaluation."""
        for hook in self.hooks:
            hook.before_eval(run)

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Call all hooks after an evaluation."""
        for hook in self.hooks:
            hook.after_eval(run, metrics)

    def after_epoch(self, run: TrainingRun) -> None:
        """Call all hooks after an epoch."""
        for hook in self.hooks:
            hook.after_epoch(run)

    def after_train(self, run: TrainingRun) -> None:
        """Call all hooks when nothing more is trained."""
        for hook in self.hooks:
            hook.after_train(run)

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Call all hooks when an exception ends the run."""
        for hook in self.hooks:
            hook.on_exception(run, error)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the hooks that have one, by key."""
        return {hook.key: hook.state_dict() for hook in self.hooks if hook.key}

    def load_state_dict(self, states: dict[str, Any]) -> None:
        """Give each hook its state back."""
        for hook in self.hooks:
            if hook.key and hook.key in states:
                hook.load_state_dict(states[hook.key])
