"""Starting a training from the weights of a file: ``Global.pretrained_model``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppocr.charset import Charset
from ppocr.engine.charset_transfer import carry_over, charset_of_dictionary, class_axes
from ppocr.engine.checkpoint_files import require_charset, stored_charset
from ppocr.errors import CharsetError, CheckpointError
from ppocr.pretrained import read_pretrained
from ppocr.weights import LoadReport, Weights, load_into

LOGGER = logging.getLogger("ppocr")


def load_pretrained(network: Any, path: str | Path, charset: Charset | None, minimum_share: float, *,
                    dictionary: str | None = None, use_space: bool | None = None, task: str = "") -> None:
    """Start a network from the weights of a file and log what was loaded.

    Where the weights are of another charset than the configured one, and the head tells which of its rows belong to
    characters, these are carried over by character (see ppocr.engine.charset_transfer).

    Args:
        network: The model.
        path: A weights file, an exported folder or a published model (see ppocr.pretrained).
        charset: The configured charset.
        minimum_share: Smallest share of the model's tensors that the file must fill.
        dictionary: ``Global.pretrained_dict_path``, the dictionary of weights without a ``.state`` beside them.
        use_space: ``Global.pretrained_use_space_char``.
        task: ``Architecture.model_type``, if an exported model of another one is to be refused.

    Raises:
        CheckpointError: The file is missing or damaged, fills less than `minimum_share`, or is for another task.
        CharsetError: The charset that is told is not that of the weights.
    """
    pretrained = read_pretrained(path)
    weights = pretrained.weights
    kind = pretrained.folder.description.model_type if pretrained.folder and pretrained.folder.description else ""
    if task and kind not in ("", task):
        # Networks of several tasks share backbones, of which the smallest tensors fit: too few, and too many to notice.
        raise CheckpointError(f"Global.pretrained_model={path} is a model of type {kind!r}, the configuration is for "
                              f"{task!r}", expected=f"a model of type {task}", cure="name another model")
    if charset is not None:
        known = pretrained.charset or stored_charset(path, weights.sha256)
        weights = _for_charset(network, weights, path, known, charset, dictionary, use_space)
    report = load_into(network, weights, minimum_share=minimum_share,
                       dispensable=getattr(network, "training_only", ()))
    LOGGER.info("Global.pretrained_model=%s: %s", path, report)
    random = _random_parts(network, report)
    if random:
        LOGGER.warning("Most of the %s starts from random numbers, because its tensors are not in the file or have "
                       "another shape there. If that is not what you want, make this section of Architecture what it "
                       "was in the training of the file.", " and the ".join(random))


def _for_charset(network: Any, weights: Weights, path: str | Path, known: Charset | None, charset: Charset,
                 dictionary: str | None, use_space: bool | None) -> Weights:
    """Return the weights, which are of the charset `known`, with the rows of `charset`, and tell what was done."""
    axes = class_axes(network)
    if not axes:
        try:
            require_charset(path, known, charset)
        except CharsetError as error:
            LOGGER.warning("%s\n  The head is trained anew where its size differs, and on other meanings where it "
                           "does not.", error.what)
        return weights
    named = None
    if dictionary:
        named = charset_of_dictionary(weights, axes, charset, dictionary, use_space)
    if known is not None and named is not None and known.symbols != named.symbols:
        raise CharsetError(f"Global.pretrained_dict_path={dictionary} has other characters than what lies beside the "
                           f"weights {path}",
                           expected="the dictionary of that training, or none: the weights tell it",
                           cure="remove Global.pretrained_dict_path")
    known = known or named
    if known is None:
        _tell_unknown_charset(network, weights, axes)
        return weights
    if known.symbols == charset.symbols:
        return weights
    weights, transfer = carry_over(network, weights, known, charset)
    LOGGER.info("Global.pretrained_model=%s: %s", path, transfer)
    return weights


def _tell_unknown_charset(network: Any, weights: Weights, axes: Mapping[str, Any]) -> None:
    own = network.state_dict()
    sizes = {name: (own[name].shape, weights[name].shape) for name in axes if name in weights}
    other = [f"{name} (model {list(here)}, file {list(there)})" for name, (here, there) in sizes.items()
             if list(here) != list(there)]
    if other:
        LOGGER.warning("The weights are of another charset, and nothing tells which: %s. These start from random "
                       "numbers. To keep the characters that stay, name the dictionary of the weights in "
                       "Global.pretrained_dict_path.", ", ".join(other))
    elif sizes:
        LOGGER.info("Nothing tells the charset of the weights; their head has the size of this one, so it is taken for "
                    "the same. If it is another, name its dictionary in Global.pretrained_dict_path.")


def _random_parts(network: Any, report: LoadReport) -> list[str]:
    """Return the parts of a model (backbone, neck, head) of which less than half was loaded.

    Half of the tensors, and of their values: networks of one family have many tensors of one number each, which fit
    whatever the width.
    """
    own = network.state_dict()
    # An LSTM's tensors go by several names, of which the report has one.
    unfilled = {id(own[name]) for name in (*report.missing, *(name for name, _, _ in report.mismatched))}
    tensors: Counter[str] = Counter()
    values: Counter[str] = Counter()
    for name, tensor in own.items():
        part, sign = name.split(".")[0], 1 if id(tensor) in unfilled else -1
        tensors[part] += sign
        values[part] += sign * int(tensor.size)
    return [part for part in tensors if tensors[part] > 0 or values[part] > 0]
