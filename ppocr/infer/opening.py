"""Opening an exported folder: its network, whether that is of the right kind, and arguments that override settings."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.data.transforms.decode import decode_image
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.errors import InferenceError, SampleError
from ppocr.infer.backend import Backend, build_backend
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.operators import Operator
from ppocr.infer.options import RuntimeOptions
from ppocr.registry import POSTPROCESSES, TRANSFORMS, constructor_parameters

LOGGER = logging.getLogger("ppocr")

PROBE_SIZE = (32, 96)
"""Height and width of the blank picture on which a model is tried when it is opened."""

PREDICTORS = {"rec": "a text recognizer", "det": "a text detector", "cls": "a text direction classifier"}


def open_backend(folder: InferenceFolder, options: RuntimeOptions) -> Backend:
    """Return what runs the network of a folder.

    Raises:
        ConfigError: There is no such backend.
        DependencyError: Its package is missing.
        InferenceError: It cannot load the files.
    """
    return build_backend(
        options.backend or folder.backend, model_file=folder.model_file, params_file=folder.params_file,
        use_gpu=options.use_gpu, gpu_id=options.gpu_id, gpu_mem=options.gpu_mem, cpu_threads=options.cpu_threads,
        enable_mkldnn=options.enable_mkldnn,
    )


def require_task(folder: InferenceFolder, task: str) -> None:
    """Refuse a folder that says that it is for another task, if only by its post-process.

    Raises:
        InferenceError: It is.
    """
    given = folder.description.model_type if folder.description else ""
    if given not in ("", task):
        raise InferenceError(f"{folder.path} holds a model of type {given!r}",
                             expected=f"{PREDICTORS[task]} ({task})", cure="use the predictor of that type")
    postprocess = str(folder.description.postprocess["name"]) if folder.description else ""
    if postprocess in POSTPROCESSES.names() and postprocess not in POSTPROCESSES.names(task):
        raise InferenceError(f"{folder.path} holds no {PREDICTORS[task].removeprefix('a ')}: its post-process is "
                             f"{postprocess}", expected=", ".join(POSTPROCESSES.names(task)),
                             cure=f"give the folder of {PREDICTORS[task]}")


def blank_tensor(operators: Pipeline, expected: Sequence[int] | None, argument: str) -> npt.NDArray[np.float32]:
    """Return what transforms make of a blank picture, float32 ``[1, C, H, W]``.

    Args:
        operators: The transforms.
        expected: Shape of a batch that the network takes, -1 where it varies; None if unknown.
        argument: The argument that sets the shape, for the error.

    Raises:
        InferenceError: They fail, or make something else than the network takes.
    """
    try:
        sample = operators({"image": decode_image(np.full((*PROBE_SIZE, 3), 127, np.uint8))})
    except (SampleError, KeyError) as error:
        raise InferenceError(f"the transforms in inference.yml fail on a blank picture: {error}",
                             expected="transforms that need nothing but the picture",
                             cure="export the model again, with Eval transforms that read no label") from error
    tensor = np.asarray(sample["image"], np.float32)
    if expected is not None and not _fits(tensor.shape, expected[1:]):
        # Paddle does not check this: a network of fully convolutional parts reads nonsense from another height.
        raise InferenceError(f"the transforms make images of shape {list(tensor.shape)}",
                             expected=f"{list(expected[1:])} (-1 varies), for which the model was exported",
                             cure=f"leave {argument} out, or give this shape")
    return tensor[np.newaxis]


def probe(
    network: Backend, tensor: npt.NDArray[np.float32], folder: InferenceFolder, *, task: str, expected: Sequence[str]
) -> tuple[int, ...]:
    """Run a network once and return the shape of its output, which tells networks of different tasks apart.

    Args:
        network: What is tried.
        tensor: float32 ``[1, C, H, W]``.
        folder: Where the network comes from, for the error.
        task: What the network is for.
        expected: The axes that the output must have, by their names.

    Raises:
        InferenceError: The network fails, or gives something else.
    """
    wanted = f"[{', '.join(expected)}]"
    cure = f"give the folder of {PREDICTORS[task]}, or export one"
    try:
        outputs = network.run({network.input_names[0]: tensor})
    except InferenceError as error:
        raise InferenceError(f"{folder.path} does not work as {PREDICTORS[task]}: {error.what}",
                             expected=f"a network with the output {wanted}",
                             cure=f"{cure}; if it is one: {error.cure}") from error
    if not outputs or outputs[0].ndim != len(expected):
        shapes = ", ".join(str(list(output.shape)) for output in outputs) or "nothing"
        raise InferenceError(f"{folder.path} holds no {PREDICTORS[task].removeprefix('a ')}: the network gives "
                             f"{shapes} for one picture", expected=wanted, cure=cure)
    return tuple(outputs[0].shape)


def replace_in_operators(
    operators: Iterable[Operator],
    key: str,
    value: Any,
    argument: str,
    *,
    task: str,
    instead: Sequence[str] = (),
) -> tuple[Operator, ...]:
    """Return operators with another value for an argument, in those that have it; differences are logged.

    Args:
        operators: The transforms.
        key: The constructor argument.
        value: Its value.
        argument: The predictor's argument that asks for it.
        task: What the model is for.
        instead: Constructor arguments that `key` makes void.

    Raises:
        InferenceError: No transform has such an argument.
    """
    replaced, found, names = [], False, []
    for operator in operators:
        (name, arguments), = operator.items()
        names.append(name)
        parameters = constructor_parameters(TRANSFORMS.get(name, task=task))
        if key in parameters:
            found = True
            void = {other: arguments[other] for other in instead if other != key and arguments.get(other)}
            before = void or {key: arguments.get(key, parameters[key].default)}
            if before != {key: value}:
                LOGGER.info("%s=%s takes the place of %s of %s.", argument, value,
                            ", ".join(f"{other}={_shown(setting)}" for other, setting in before.items()), name)
            arguments = {other: setting for other, setting in arguments.items() if other not in void} | {key: value}
        replaced.append({name: arguments})
    if not found:
        raise InferenceError(f"{argument}={value}: none of the model's transforms has an argument {key!r} "
                             f"({', '.join(names)})",
                             expected="a model whose pictures are resized by a transform of that kind",
                             cure=f"leave {argument} out")
    return tuple(replaced)


def replace_in_postprocess(
    postprocess: Mapping[str, Any], values: Mapping[str, tuple[str, Any]], *, task: str
) -> dict[str, Any]:
    """Return a ``PostProcess`` section with other values; differences are logged.

    Args:
        postprocess: ``name`` and arguments.
        values: For each argument of the predictor, the constructor argument that it sets and its value; None leaves it.
        task: What the model is for.

    Raises:
        InferenceError: The post-process has no such argument.
    """
    replaced = dict(postprocess)
    parameters = constructor_parameters(POSTPROCESSES.get(str(postprocess["name"]), task=task))
    for argument, (key, value) in values.items():
        if value is None:
            continue
        if key not in parameters:
            raise InferenceError(f"{argument}={value}: {postprocess['name']} has no argument {key!r}",
                                 expected="one of " + ", ".join(parameters), cure=f"leave {argument} out")
        before = replaced.get(key, parameters[key].default)
        if before != value:
            LOGGER.info("%s=%s takes the place of %s=%s of %s.", argument, value, key, _shown(before),
                        postprocess["name"])
        replaced[key] = value
    return replaced


def _shown(value: Any) -> Any:
    return "nothing" if value is inspect.Parameter.empty else value


def _fits(shape: Sequence[int], expected: Sequence[int]) -> bool:
    return len(shape) == len(expected) and all(wanted in (-1, side)
                                               for side, wanted in zip(shape, expected, strict=True))
