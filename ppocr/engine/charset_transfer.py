"""Weights of another charset: the rows of every character that stays go to its new place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.charset import PIECE, Charset, Codec, attention_codec, ctc_codec, nrtr_codec, sar_codec
from ppocr.errors import CharsetError
from ppocr.pretrained import named_charset
from ppocr.weights import Weights

CODECS: dict[str, Callable[[Charset], Codec]] = {
    "ctc": ctc_codec, "attention": attention_codec, "sar": sar_codec, "nrtr": nrtr_codec,
}
SHOWN_KEPT, SHOWN = 60, 200
"""Most characters that a message shows: of the kept ones, and of the others."""


@dataclass(frozen=True)
class ClassAxis:
    """A parameter of the model with an axis of classes.

    Args:
        name: Structured name in the model.
        axis: The axis.
        codec: What the classes are, a key of `CODECS`.
        offset: Entries of the axis before the first class.
        length: Length of the axis in the model. Published heads have a class more or less at the end than their codec.
    """

    name: str
    axis: int
    codec: str
    offset: int
    length: int

    def characters_of(self, length: int, charset: Charset) -> int:
        """Return how many characters an axis of `length` is for, in a network that has `length` for `charset`."""
        return length - self.length + len(charset)


@dataclass(frozen=True)
class Transfer:
    """What became of the characters.

    Attributes:
        kept: Characters of both, in the order of the new charset.
        new: Characters that the weights do not know.
        dropped: Characters that the new charset lacks.
        parameters: The parameters that were carried over.
    """

    kept: str
    new: str
    dropped: str
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        start = (" (they start as the mean of the kept rows with the smallest bias, which is never the best guess)"
                 if self.kept else " (no character is kept: the head starts anew)")
        lines = [
            f"carried over by character: {_count(self.kept)} kept, {_count(self.new)} new, {_count(self.dropped)} "
            f"dropped; rows of {', '.join(self.parameters) or 'no parameter'}",
            f"  kept: {_shown(self.kept, SHOWN_KEPT)}",
            f"  new: {_shown(self.new, SHOWN)}{start if self.new else ''}",
            f"  dropped: {_shown(self.dropped, SHOWN)}",
        ]
        return "\n".join(lines)


def class_axes(network: Any) -> dict[str, ClassAxis]:
    """Return the parameters of a network whose rows belong to characters, by structured name.

    A head tells them by ``class_axes()``: its own names to ``(axis, codec)``. Where an axis begins with something
    else, ``class_offsets()`` tells for the name how many entries that are.
    """
    head: Any = getattr(network, "head", None)
    if not hasattr(head, "class_axes"):
        return {}
    offsets = head.class_offsets() if hasattr(head, "class_offsets") else {}
    shapes = {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()}
    return {f"head.{name}": ClassAxis(f"head.{name}", axis, codec, offsets.get(name, 0), shapes[name][axis])
            for name, (axis, codec) in head.class_axes().items()}


def charset_of_dictionary(weights: Weights, axes: Mapping[str, ClassAxis], charset: Charset, dictionary: str,
                          use_space: bool | None) -> Charset:
    """Return the charset that a dictionary gives the weights.

    Args:
        weights: The weights.
        axes: See `class_axes`.
        charset: The charset of the model.
        dictionary: ``Global.pretrained_dict_path``: a file, or an exported model whose characters it means.
        use_space: Whether the space was added to it; None finds out by the size of the head.

    Raises:
        CharsetError: It has not as many characters as the weights have rows for.
    """
    choices = [named_charset(dictionary, choice, f"Global.pretrained_dict_path={dictionary}") for choice in
               ((False, True) if use_space is None else (use_space,))]
    fitting = [choice for choice in choices if not _misfits(weights, axes, charset, choice)]
    if fitting:
        return fitting[0]
    wrong, rows = _misfits(weights, axes, charset, choices[0])[0]
    spaces = "with or without the space" if use_space is None else f"with use_space_char {use_space}".lower()
    raise CharsetError(
        f"Global.pretrained_dict_path={dictionary} has {' or '.join(str(len(choice)) for choice in choices)} "
        f"characters ({spaces}), the weights {weights.path} have rows for {rows} ({wrong})",
        expected="the dictionary that the weights were trained with",
        cure="correct Global.pretrained_dict_path or Global.pretrained_use_space_char",
    )


def carry_over(network: Any, weights: Weights, old: Charset, new: Charset) -> tuple[Weights, Transfer]:
    """Return weights whose rows are those of another charset.

    Characters are found by what they are, wherever they stand in the two charsets; of repeated ones the last, which is
    the one that was trained. Special symbols of the codec keep their rows. A new character starts as the mean of the
    kept characters, with the smallest of their biases: its score is then at most the mean of their scores, so that
    it is not read anywhere and what was read before stays.

    Args:
        network: The model, with the values that its layers start from.
        weights: The file's content; it is left as it is.
        old: The charset of the weights.
        new: The charset of the model.

    Raises:
        CharsetError: The weights have not as many rows as `old` has characters, or the rows of new characters are
            frozen.
    """
    axes = class_axes(network)
    misfits = _misfits(weights, axes, new, old)
    if misfits:
        name, rows = misfits[0]
        raise CharsetError(f"the charset of the weights {weights.path} has {len(old)} characters, but they have rows "
                           f"for {rows} ({name})", expected="weights and charset of one training",
                           cure="name the right dictionary in Global.pretrained_dict_path, or the right weights")
    places = _places(old, new)
    own = network.state_dict()
    carried: dict[str, npt.NDArray[Any]] = {}
    for name, axis in axes.items():
        if name in weights and _same_besides(weights[name].shape, own[name].shape, axis.axis):
            start = own[name].astype("float32").numpy()
            carried[name] = _moved(_float32(weights[name]), start, axis, new, places)
    kept = [place for place in places if places[place] is not None]
    stays = {places[place] for place in kept}
    transfer = Transfer(
        kept="".join(new.symbols[place] for place in kept),
        new="".join(symbol for place, symbol in enumerate(new.symbols) if places[place] is None),
        dropped="".join(symbol for place, symbol in enumerate(old.symbols) if place not in stays),
        parameters=tuple(carried),
    )
    frozen = [name for name in carried if own[name].stop_gradient]
    if transfer.new and frozen:
        raise CharsetError(f"{_count(transfer.new)} characters are new to the weights {weights.path} "
                           f"({_shown(transfer.new, SHOWN_KEPT)}), and the rows of characters are frozen "
                           f"({', '.join(frozen)}): they could not be learned",
                           expected="no new characters, or classes that are trained",
                           cure="let Global.freeze leave the classes out, or keep the dictionary of the weights")
    return Weights({**weights, **carried}, weights.path, weights.sha256), transfer


def _places(old: Charset, new: Charset) -> dict[int, int | None]:
    """Return for each character's place in the new charset the one in the old, None if it has none."""
    where: dict[str, list[int]] = {}
    for place, symbol in enumerate(old.symbols):
        where.setdefault(symbol, []).append(place)
    found: dict[int, int | None] = {}
    for place in reversed(range(len(new))):
        left = where.get(new.symbols[place])
        found[place] = left.pop() if left else None
    return {place: found[place] for place in range(len(new))}


def _moved(old_rows: npt.NDArray[Any], start: npt.NDArray[Any], axis: ClassAxis, new: Charset,
           places: Mapping[int, int | None]) -> npt.NDArray[Any]:
    """Return the new value of one parameter."""
    source, result = np.moveaxis(old_rows, axis.axis, 0), np.moveaxis(start.copy(), axis.axis, 0)
    first, offset = len(CODECS[axis.codec](new).before), axis.offset
    result[: offset + first] = source[: offset + first]
    tail = len(result) - offset - first - len(new)  # Special symbols behind the characters, and classes without use.
    if tail > 0:
        result[-tail:] = source[-tail:]
    kept = [(place, former) for place, former in places.items() if former is not None]
    if kept:
        known = source[[offset + first + former for _, former in kept]]
        result[[offset + first + place for place, _ in kept]] = known
        guess = known.min(axis=0) if known.ndim == 1 else known.mean(axis=0, dtype=np.float64)
        result[[offset + first + place for place, former in places.items() if former is None]] = guess
    return np.ascontiguousarray(np.moveaxis(result, 0, axis.axis))


def _misfits(weights: Mapping[str, Any], axes: Mapping[str, ClassAxis], charset: Charset,
             claimed: Charset) -> list[tuple[str, int]]:
    """Return the parameters that `claimed` does not fit, each with the number of characters it has rows for."""
    misfits = []
    for name, axis in axes.items():
        if name in weights and weights[name].ndim > axis.axis:
            rows = axis.characters_of(weights[name].shape[axis.axis], charset)
            if rows != len(claimed):
                misfits.append((name, rows))
    return misfits


def _same_besides(first: Any, second: Any, axis: int) -> bool:
    return [*first[:axis], *first[axis + 1:]] == [*second[:axis], *second[axis + 1:]]


def _float32(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype == np.uint16:  # bfloat16: the upper half of a float32.
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def _count(characters: str) -> int:
    return len(PIECE.findall(characters))


def _shown(characters: str, number: int) -> str:
    if not characters:
        return "none"
    pieces = PIECE.findall(characters)
    more = len(pieces) - number
    return repr("".join(pieces[:number])) + (f" and {more} more" if more > 0 else "")
