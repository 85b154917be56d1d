"""From a model in training form to a program that Paddle Inference runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from ppocr.errors import ExportError, PPOCRError
from ppocr.infer.parameters import program_weights

LOGGER = logging.getLogger("ppocr")

INPUT = "x"
TRIAL_SIDE = 64
"""Height and width, in pixels, of the images on which a network that takes any size is tried."""
STEM = "inference"

PADDLE_ERRORS = (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError, KeyError, OSError)
"""What tracing and saving raise, depending on what in a network Paddle cannot translate."""


class _OneOutput(nn.Layer):
    """A model that returns its one output of interest instead of a dict, which is what a program has.

    The first parameter of `forward` must be called ``self``: Paddle's tracer looks for that name.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Any) -> Any:
        return self.model(images)[self.model.output_name]


def input_shape(model: Any, shape: Sequence[int]) -> list[int]:
    """Return the shape of batches that a model in evaluation mode takes, -1 where it varies: always the number.

    Args:
        model: Tried on zeros. Its height varies only where the model says so (`OCRModel.dynamic_height`): networks
            for text lines compute nonsense from another height without an error.
        shape: Channels, height and width of the images that evaluation makes.
    """
    channels, height, width = shape
    if model.dynamic_height:
        return [-1, channels, -1, -1]
    try:
        with paddle.no_grad():
            model(paddle.zeros([1, channels, height, 2 * width]))
    except (PPOCRError, RuntimeError, ValueError, AssertionError) as error:
        LOGGER.info("The model takes images of width %d only (%s).", width, str(error).splitlines()[0])
        return [-1, channels, height, width]
    return [-1, channels, height, -1]


def output_shape(model: Any, shape: Sequence[int], usual_width: int) -> list[int]:
    """Return the shape of the model's output, -1 where it varies with the batch or the size of the images.

    Args:
        model: In evaluation mode.
        shape: See `input_shape`.
        usual_width: Width of the images that evaluation makes.
    """
    _, channels, height, width = shape
    small = (TRIAL_SIDE, TRIAL_SIDE) if height == -1 else (height, usual_width)
    large = [2 * side if varies == -1 else side for side, varies in zip(small, (height, width), strict=True)]
    with paddle.no_grad():
        one, other = (list(model(paddle.zeros([1, channels, *size]))[model.output_name].shape)
                      for size in (small, large))
    return [-1] + [first if first == second else -1 for first, second in zip(one[1:], other[1:], strict=True)]


def save_program(model: Any, folder: Path, input_shape: Sequence[int], *, with_pir: bool) -> dict[str, str]:
    """Write ``inference.json`` (or ``.pdmodel``) and ``inference.pdiparams``; return which weight is which.

    Args:
        model: In evaluation mode, ready to be deployed.
        folder: Where to.
        input_shape: Shape of the images, -1 where it varies.
        with_pir: Write the format of Paddle 3; otherwise the one before.

    Returns:
        Structured name of each weight in the program, to its name there, checked by reading the files back.

    Raises:
        ExportError: Paddle cannot translate the model, or the files do not hold its weights.
    """
    _check_format(with_pir)
    spec = paddle.static.InputSpec([None if side == -1 else side for side in input_shape], "float32", INPUT)
    try:
        with _quiet(), paddle.no_grad():
            static = paddle.jit.to_static(_OneOutput(model), input_spec=[spec], full_graph=True)
            static.eval()
            paddle.jit.save(static, str(folder / STEM))
    except PADDLE_ERRORS as error:
        raise _translation_error(error, with_pir) from error
    program = folder / (STEM + (".json" if with_pir else ".pdmodel"))
    missing = [file.name for file in (program, program.with_suffix(".pdiparams")) if not file.is_file()]
    if missing:
        raise ExportError(f"Paddle {paddle.__version__} wrote no {missing[0]}: tracing the model lost its weights",
                          expected="a program that computes with tensors from the images to the probabilities",
                          cure="remove conversions to NumPy and Python numbers from the network's forward")
    return _parameter_map(model, program)


def _parameter_map(model: Any, program: Path) -> dict[str, str]:
    stored = program_weights(program, program.with_suffix(".pdiparams"))
    names: dict[str, str] = {}
    left_out = []
    for name, tensor in model.state_dict().items():
        array = stored.get(tensor.name)
        if array is None:
            left_out.append(name)
            continue
        if not np.array_equal(array, tensor.numpy(), equal_nan=True):
            raise ExportError(f"the weight {name} differs in the exported files", expected="the weights of the model",
                              cure="report this, with the versions that `ppocr doctor` prints")
        names[name] = tensor.name
    if left_out:
        LOGGER.info("Weights that prediction does not use were left out: %d, such as %s.", len(left_out), left_out[0])
    return names


def _check_format(with_pir: bool) -> None:
    """Paddle decides by an environment variable, when it is imported, which format it writes."""
    if bool(paddle.framework.use_pir_api()) != with_pir:
        wanted = "1" if with_pir else "0"
        raise ExportError(
            f"this process writes {'inference.pdmodel' if with_pir else 'inference.json'}: Paddle was imported with "
            f"FLAGS_enable_pir_api={'0' if with_pir else '1'}",
            expected=f"FLAGS_enable_pir_api={wanted} for Global.export_with_pir={'true' if with_pir else 'false'}",
            cure=f"run the command as FLAGS_enable_pir_api={wanted} python tools/export_model.py ...",
        )


def _translation_error(error: BaseException, with_pir: bool) -> ExportError:
    detail = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
    if not with_pir:
        cure = "set Global.export_with_pir=true: the older format cannot hold recurrent layers in Paddle 3"
    else:
        cure = "see the traceback below: a part of the network cannot be translated"
    return ExportError(f"Paddle {paddle.__version__} cannot translate the model: {detail[:500]}",
                       expected="a model of parts that Paddle can trace", cure=cure)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Paddle's tracer from printing its own progress."""
    logger = logging.getLogger("paddle")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
