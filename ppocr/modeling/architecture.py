"""The model: image transform, backbone, neck and head, one after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
from paddle import nn

from ppocr.coerce import coerce
from ppocr.errors import ConfigError, did_you_mean
from ppocr.registry import BACKBONES, HEADS, NECKS, STNS, Registry
from ppocr.sections import where

PARTS: dict[str, Registry] = {"Transform": STNS, "Backbone": BACKBONES, "Neck": NECKS, "Head": HEADS}
KEYS = ("model_type", "algorithm", *PARTS, "in_channels", "return_all_feats")


class OCRModel(nn.Layer):
    """The parts of a model, one after another.

    Args:
        transform: Image transform network: images to images; None for none.
        backbone: Images to feature maps.
        neck: Feature maps to features; None for none.
        head: Features to a dict of outputs. One that reads labels while training names the batch keys in
            ``target_keys``; one whose number of steps bounds the text has a true ``step_aligned``.
        in_channels: Channels of the images.
        return_all_feats: While training, also return ``"backbone_out"`` and ``"neck_out"``.
    """

    def __init__(self, transform: Any, backbone: Any, neck: Any, head: Any, *, in_channels: int = 3,
                 return_all_feats: bool = False) -> None:
        super().__init__()
        self.transform, self.backbone, self.neck, self.head = transform, backbone, neck, head
        self.in_channels, self.return_all_feats = in_channels, return_all_feats
        self._time_steps: dict[tuple[int, int], int | None] = {}

    @property
    def output_name(self) -> str:
        """The output that prediction uses: ``"probs"``, or what the head names in ``output_name``."""
        return str(getattr(self.head, "output_name", "probs"))

    @property
    def dynamic_height(self) -> bool:
        """Whether images of any height may be given, as the head says in ``dynamic_height``; text lines have one."""
        return bool(getattr(self.head, "dynamic_height", False))

    @property
    def training_only(self) -> frozenset[str]:
        """Structured names of the tensors that only training uses.

        A layer names such sublayers, as attributes or dotted paths, in a ``training_only`` of its own.
        """
        prefixes = tuple(
            f"{place}.{name}." if place else f"{name}."
            for place, layer in self.named_sublayers() for name in getattr(layer, "training_only", ())
        )
        return frozenset(name for name in self.state_dict() if name.startswith(prefixes)) if prefixes else frozenset()

    def forward(self, images: Any, batch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the outputs of the head.

        Args:
            images: float32 [N, in_channels, H, W].
            batch: The batch, from which a head takes the labels that it needs while training.
        """
        x = images if self.transform is None else self.transform(images)
        return self.after_backbone(self.backbone(x), batch)

    def after_backbone(self, x: Any, batch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the outputs for what the backbone returned."""
        features = {"backbone_out": x}
        if self.neck is not None:
            x = features["neck_out"] = self.neck(x)
        outputs = self.after_neck(x, batch)
        return {**features, **outputs} if self.return_all_feats and self.training else outputs

    def after_neck(self, x: Any, batch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the outputs of the head for what enters it."""
        keys = getattr(self.head, "target_keys", ())
        if keys and batch is not None and self.training:
            outputs: dict[str, Any] = self.head(x, {key: batch[key] for key in keys if key in batch})
        else:
            outputs = self.head(x)
        return outputs

    def time_steps(self, height: int, width: int) -> int | None:
        """Return how many steps a CTC head has at this image size, or None for heads without such a bound.

        Measured once for each size, on zeros in evaluation mode; leaves modes and random numbers as they are.

        Raises:
            ConfigError: The network cannot take images of this size.
        """
        if not getattr(self.head, "step_aligned", False):
            return None
        if (height, width) not in self._time_steps:
            modes = [(layer, layer.training) for layer in self.sublayers(include_self=True)]
            self.eval()
            try:
                with paddle.no_grad():
                    outputs = self(paddle.zeros([1, self.in_channels, height, width]))
            finally:
                for layer, training in modes:
                    layer.training = training
            self._time_steps[height, width] = int(outputs["probs"].shape[1])
        return self._time_steps[height, width]


def build_model(
    architecture: Mapping[str, Any],
    *,
    num_classes: int | dict[str, int],
    max_text_length: int = 25,
    in_channels: int | None = None,
) -> OCRModel:
    """Build the model that the configuration's Architecture section describes.

    Args:
        architecture: The section; it is left as it is. Parts that are null or absent are left out.
        num_classes: Classes of the head, by the name of the decoder where there are several.
        max_text_length: Longest text, for heads that decode step by step.
        in_channels: Channels of the images; the section's ``in_channels`` or 3 if None.

    Raises:
        ConfigError: An unknown key, name or value, or no backbone or head.
    """
    check_architecture(architecture)
    task = architecture.get("model_type")
    channels: Any = in_channels if in_channels is not None else _image_channels(architecture)
    image_channels = channels
    parts: dict[str, Any] = {}
    for name, registry in PARTS.items():
        parts[name] = None
        if architecture.get(name) is not None:
            parts[name] = registry.build(architecture[name], task=task, in_channels=channels, num_classes=num_classes,
                                         max_text_length=max_text_length)
            channels = parts[name].out_channels
    all_features = coerce(architecture.get("return_all_feats", False), bool, where(architecture, "return_all_feats"))
    return OCRModel(parts["Transform"], parts["Backbone"], parts["Neck"], parts["Head"], in_channels=image_channels,
                    return_all_feats=all_features)


def check_architecture(architecture: Mapping[str, Any]) -> None:
    """Raise ConfigError unless the Architecture section describes one model, with known keys and a backbone and head.

    A distillation is refused by naming what is missing.
    """
    if "Models" in architecture or architecture.get("name") == "DistillationModel":
        key = "Models" if "Models" in architecture else "name"
        raise ConfigError(
            f"{where(architecture, key)}: this configuration trains several models by distillation, which is not "
            "available yet: the part that is missing is DistillationModel",
            expected="one model: Backbone, Neck and Head directly under Architecture",
            cure="take the section of the model that you want (Architecture.Models.Student) as the Architecture",
        )
    for key in architecture:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS)
            raise ConfigError(
                f"{where(architecture, key)}: Architecture has no key {key!r}" + (f" ({hint})" if hint else ""),
                expected="one of " + ", ".join(KEYS), cure="correct or remove the key",
            )
    for part in ("Backbone", "Head"):
        if architecture.get(part) is None:
            raise ConfigError(f"{where(architecture)}: Architecture has no {part}", expected=f"{part}: {{name: ...}}",
                              cure=f"add the {part} section")


def _image_channels(architecture: Mapping[str, Any]) -> int:
    place = where(architecture, "in_channels")
    channels: int | None = coerce(architecture.get("in_channels"), int | None, place)
    if channels is not None and channels < 1:
        raise ConfigError(f"{place} is {channels}", expected="3, or 1 for grey", cure="correct the value")
    return channels or 3
