"""Checks of the arrays that networks give, and the assembly of text lines; shared by the decoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.charset import Codec
from ppocr.errors import CharsetError, InferenceError
from ppocr.results import TextLine

FloatArray = npt.NDArray[np.floating[Any]]


def probabilities(outputs: Mapping[str, Any], ndim: int) -> FloatArray:
    """Return ``outputs["probs"]``.

    Args:
        outputs: The network's outputs by name.
        ndim: Number of axes it must have.

    Raises:
        InferenceError: It is missing or has another number of axes.
    """
    if "probs" not in outputs:
        raise InferenceError(
            f"the network gives {', '.join(sorted(outputs)) or 'nothing'}, but no 'probs'",
            expected="a model in evaluation mode whose head fits PostProcess", cure="correct PostProcess or the head",
        )
    probs = np.asarray(outputs["probs"])
    if probs.ndim != ndim:
        raise InferenceError(
            f"the network's output has the shape {list(probs.shape)}", expected=f"{ndim} axes",
            cure="use the PostProcess that belongs to the head",
        )
    return probs


def check_classes(codec: Codec, given: int, also_allowed: tuple[int, ...] = ()) -> None:
    """Check the network's number of classes against the charset's.

    Args:
        codec: Charset with special symbols.
        given: Classes of the network's output.
        also_allowed: Other numbers that are right for this kind of head.

    Raises:
        CharsetError: They differ; both numbers and the likely causes are told.
    """
    wanted = codec.num_classes
    if given in (wanted, *also_allowed):
        return
    specials = [*codec.before, *codec.after]
    difference = given - wanted
    causes = ["another dictionary than in training"]
    if abs(difference) == 1:
        causes.insert(0, f"Global.use_space_char (the charset {'has' if ' ' in codec.charset else 'lacks'} the space)")
    if abs(difference) <= 4:
        causes.append("a PostProcess of another kind of head, with other special symbols")
    raise CharsetError(
        f"the network gives {given} classes, the charset has {wanted}: {len(codec.charset)} characters and "
        f"{len(specials)} special symbols ({', '.join(specials)})",
        expected="the same number",
        cure=f"likely cause: {', or '.join(causes)}; use the dictionary and settings of the training",
    )


def best_classes(probs: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return the best class of each step, int64 ``[N, T]``, and its probability, same shape.

    Args:
        probs: ``[N, T, C]``.
    """
    classes = probs.argmax(axis=2)
    return classes, np.take_along_axis(probs, classes[:, :, None], axis=2)[:, :, 0]


def require_numbers(scores: FloatArray) -> None:
    """Refuse NaN, which a network gives whose weights have diverged.

    Raises:
        InferenceError: A score is not a number.
    """
    if np.isnan(scores).any():
        raise InferenceError("the network's output is not a number (NaN)", expected="probabilities between 0 and 1",
                             cure="use an earlier checkpoint; these weights or this image hold values without bounds")


def text_lines(
    classes: npt.NDArray[np.int64], scores: FloatArray, kept: npt.NDArray[np.bool_], codec: Codec
) -> list[TextLine]:
    """Return one line for each sample.

    Args:
        classes: ``[N, T]``.
        scores: Probability of each class, ``[N, T]``.
        kept: Which steps are characters of the text, ``[N, T]``.
        codec: Meaning of the classes.

    Raises:
        InferenceError: A score is not a number, as of a network whose weights have diverged.
    """
    require_numbers(scores)
    counts = kept.sum(axis=1)
    sums = np.where(kept, scores, 0.0).sum(axis=1, dtype=np.float64)
    means = np.minimum(sums / np.maximum(counts, 1), 1.0)
    texts = (codec.decode(row[mask]) for row, mask in zip(classes, kept, strict=True))
    return [TextLine(text, float(mean)) for text, mean in zip(texts, means, strict=True)]
