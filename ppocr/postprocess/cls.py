"""Results of image classifiers, such as the one that finds the direction of a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppocr.errors import ConfigError
from ppocr.postprocess.scores import probabilities, require_numbers
from ppocr.registry import POSTPROCESSES
from ppocr.results import Direction


@POSTPROCESSES.register(tasks=("cls",))
class ClsPostProcess:
    """The most probable class.

    Args:
        label_list: Names of the classes in the order of the outputs, such as ``["0", "180"]``. Without it the name of
            a class is its number.
    """

    def __init__(self, label_list: list[str] | None = None) -> None:
        self.label_list = label_list

    @property
    def num_classes(self) -> int | None:
        """Number of classes that the head must have; None if no names are known."""
        return len(self.label_list) if self.label_list else None

    def __call__(self, outputs: Mapping[str, Any]) -> list[Direction]:
        """Return the class of each sample.

        Args:
            outputs: ``probs`` float ``[N, C]``, softmax.

        Raises:
            ConfigError: C is not the number of names.
            InferenceError: Missing or unusable output.
        """
        probs = probabilities(outputs, ndim=2)
        names = self.label_list or [str(number) for number in range(probs.shape[1])]
        if len(names) != probs.shape[1]:
            raise ConfigError(
                f"the network gives {probs.shape[1]} classes, label_list names {len(names)}: {', '.join(names)}",
                expected="the same number", cure="correct label_list, or class_dim of the head",
            )
        require_numbers(probs)
        best = probs.argmax(axis=1)
        return [Direction(names[index], float(row[index])) for index, row in zip(best, probs, strict=True)]
