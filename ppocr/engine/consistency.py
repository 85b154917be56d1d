"""Parts of a configuration that would train without a word and learn nothing, because they do not belong together."""

from __future__ import annotations

from typing import Any

import paddle

from ppocr.config import Config
from ppocr.errors import ConfigError
from ppocr.sections import where


def check_decoding(config: Config, loss: Any, postprocess: Any) -> None:
    """Check that loss and post-processing agree on CTC or step-by-step decoding.

    A part says by ``needs_alignment`` whether its labels are aligned with the time steps by CTC; a part of a plugin
    may leave that open.

    Raises:
        ConfigError: One is for CTC, the other is not.
    """
    of_loss, of_decoder = (getattr(part, "needs_alignment", None) for part in (loss, postprocess))
    if of_loss is None or of_decoder is None or of_loss == of_decoder:
        return
    names = [str(config[section]["name"]) for section in ("Loss", "PostProcess")]
    ctc, other = names if of_loss else names[::-1]
    raise ConfigError(
        f"{where(config['Loss'], 'name')} is {names[0]} and {where(config['PostProcess'], 'name')} is {names[1]}: "
        f"{ctc} is for CTC, {other} is not",
        expected="both for CTC (CTCLoss and CTCLabelDecode), or both for a decoder that reads character by character "
        "(such as AttentionLoss and AttnLabelDecode)",
        cure="change one of the two",
    )


def check_images(images: Any, network: Any) -> None:
    """Check that a batch of images is what a network takes, before Paddle fails on it in words of its own.

    Args:
        images: ``batch["image"]``.
        network: The model, which tells its channels in ``in_channels``; one that does not is not checked for.

    Raises:
        ConfigError: The transforms make something else.
    """
    channels = getattr(network, "in_channels", None)
    if channels is None or (len(images.shape) == 4 and images.shape[1] == channels and images.dtype == paddle.float32):
        return
    if len(images.shape) == 4 and images.shape[-1] == channels:
        cure = "add ToCHWImage before KeepKeys"
    elif images.dtype == paddle.uint8:
        cure = "add NormalizeImage (or a resize that normalises, such as RecResizeImg)"
    else:
        cure = "correct the transforms, or Architecture.in_channels"
    raise ConfigError(f"the transforms make images of shape {list(images.shape)} and type "
                      f"{str(images.dtype).removeprefix('paddle.')}",
                      expected=f"float32 [N, {channels}, H, W]", cure=cure)


def check_labels(split: str, pipeline: Any, postprocess: Any) -> None:
    """Check that the label encoder of a split gives the class indices that the post-processing decodes.

    Raises:
        ConfigError: They are made for different heads.
    """
    decoder = getattr(postprocess, "codec", None)
    if decoder is None:
        return
    for transform in pipeline.transforms:
        encoder = getattr(transform, "codec", None)
        if encoder is not None and encoder != decoder:
            raise ConfigError(
                f"{split}.dataset.transforms: {type(transform).__name__} gives labels with the special symbols "
                f"{_specials(encoder)}, but PostProcess {type(postprocess).__name__} decodes {_specials(decoder)}",
                expected="a label encoder and a post-processing of the same kind of head",
                cure="use for example CTCLabelEncode with CTCLabelDecode, AttnLabelEncode with AttnLabelDecode",
            )


def _specials(codec: Any) -> str:
    return ", ".join((*codec.before, *codec.after)) or "none"
