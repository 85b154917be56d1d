"""A CTC head with a second head that guides the training (GTC: Hu et al. 2020; PP-OCRv3: Li et al. 2022)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from paddle import nn

from ppocr.charset import CTC_SPECIALS, NRTR_SPECIALS, SAR_SPECIALS
from ppocr.errors import ConfigError, did_you_mean
from ppocr.modeling.common.checks import require_single_row
from ppocr.modeling.heads.ctc_head import CTCHead
from ppocr.modeling.heads.nrtr_head import NRTRHead, nrtr_label
from ppocr.modeling.heads.sar_head import SARHead, sar_targets
from ppocr.modeling.necks.sequence_encoder import ENCODERS, SequenceEncoder
from ppocr.registry import HEADS, check_arguments
from ppocr.sections import Section, named_section, where

LOGGER = logging.getLogger("ppocr")

PATH = "Architecture.Head.head_list"
PARTS = ("CTCHead", "SARHead", "NRTRHead")
POOLED_ROWS, POOL = 3, (3, 2)
"""``use_pool``: the rows of SVTRNet without its last stage, and the window that makes them one of half the width."""


@HEADS.register(tasks=("rec",))
class MultiHead(nn.Layer):
    """CTC scores from a sequence encoder of its own, and while training those of a head that guides the backbone.

    [N, in_channels, 1, W] to ``{"probs": [N, W, num_classes]}`` in evaluation and in exported models, from the CTC
    head alone. While training ``{"ctc_logits": [N, W, num_classes]}``, the same as ``"logits"`` for what reads one
    output, and with a second head ``"sar_logits"`` or ``"gtc_logits"`` (see `SARHead` and `NRTRHead`).

    With ``use_guide`` in the CTC head's Neck or Head the CTC loss gives no gradient to the backbone, which learns
    from the second head. Without a second head nothing would train it: then ``use_guide`` cuts nothing.

    Args:
        in_channels: Channels of the map.
        num_classes: Classes of the CTC head; those of the second head follow from them.
        head_list: One or two mappings of a head's name to its arguments. One is ``CTCHead: {Neck: {name: svtr, ...},
            Head: {...}}`` with an encoder of `SequenceEncoder` and the arguments of `CTCHead`; the other, if any,
            ``SARHead: {...}`` or ``NRTRHead: {...}``.
        max_text_length: Longest text, for a second head that does not say its own.
        use_pool: The backbone gives a map of 3 rows, [N, in_channels, 3, W], or its tokens [N, 3 * W, in_channels];
            average it to [N, in_channels, 1, W / 2].
        use_pos: Give ``NRTRHead`` a learned position for each place of the map.

    Raises:
        ConfigError: No CTC head, an unknown or repeated head, an unknown encoder, or wrong arguments.
    """

    step_aligned = True
    """The number of steps bounds the text that can be read (see `OCRModel.time_steps`)."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        head_list: list[dict[str, Any]],
        max_text_length: int = 25,
        use_pool: bool = False,
        use_pos: bool = False,
    ) -> None:
        super().__init__()
        sections = _head_sections(head_list)
        guide = next((name for name in sections if name != "CTCHead"), None)
        self.in_channels = in_channels
        self.pool: Any = nn.AvgPool2D(POOL, stride=POOL) if use_pool else None
        self._build_ctc(sections["CTCHead"], in_channels, num_classes, alone=guide is None)
        self.guide = guide
        self.target_keys: tuple[str, ...] = ()
        self.training_only: tuple[str, ...] = ()
        if guide is not None:
            _refuse_use_pos(guide, use_pos)
            BUILDERS[guide](self, sections[guide], in_channels, num_classes, max_text_length, use_pos)
        self.out_channels = num_classes

    def _build_ctc(self, section: Section, in_channels: int, num_classes: int, *, alone: bool) -> None:
        for key in section:
            if key not in ("name", "Neck", "Head"):
                hint = did_you_mean(key, ("Neck", "Head"))
                raise ConfigError(f"{where(section, key)}: CTCHead in MultiHead has no key {key!r}"
                                  + (f" ({hint})" if hint else ""), expected="Neck: {name: ...} and Head: {...}",
                                  cure="put the key into one of the two, or remove it")
        neck = _part(section, "Neck")
        encoder = _encoder_name(neck, section)
        options = check_arguments(ENCODERS[encoder], neck, kind="sequence encoder", name=encoder,
                                  supplied={"in_channels": in_channels})
        head = _part(section, "Head")
        arguments = check_arguments(CTCHead, head, kind="head", name="CTCHead", supplied={"num_classes": num_classes,
                                                                                        "in_channels": 0})
        if alone and (options.get("use_guide") or arguments.get("use_guide")):
            LOGGER.info("MultiHead has no second head: use_guide cuts no gradient, the CTC loss trains the backbone")
        if alone:
            options.pop("use_guide", None)
        self.ctc_encoder = SequenceEncoder(encoder_type=encoder, **options)  # type: ignore[arg-type]
        self.ctc_head = CTCHead(**{**arguments, "in_channels": self.ctc_encoder.out_channels})
        self.ctc_head.cuts_gradient &= not alone

    def _build_nrtr(self, section: Section, in_channels: int, num_classes: int, max_text_length: int,
                    use_pos: bool) -> None:
        classes = _other_classes(num_classes, NRTR_SPECIALS)
        head = _build(NRTRHead, section, in_channels, classes, max_text_length=max_text_length, use_pos=use_pos)
        self.before_gtc, self.gtc_head = head.before_gtc, head.gtc_head
        self.target_keys, self.training_only = ("label_gtc",), ("before_gtc", "gtc_head")

    def _build_sar(self, section: Section, in_channels: int, num_classes: int, max_text_length: int,
                   use_pos: bool) -> None:
        classes = _other_classes(num_classes, SAR_SPECIALS)
        self.sar_head = _build(SARHead, section, in_channels, classes, max_text_length=max_text_length)
        self.target_keys, self.training_only = ("label_sar", "valid_ratio"), ("sar_head",)

    def forward(self, features: Any, targets: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the class scores.

        Args:
            features: float32 [N, in_channels, 1, W]; with `use_pool` see there.
            targets: ``label_gtc``, or ``label_sar`` and ``valid_ratio`` if known: the batch's labels of the second
                head. Only read while training.

        Raises:
            ConfigError: The features have another shape.
            TrainingError: Labels are missing.
        """
        x = self._single_row(features)
        outputs = self.classify(self.ctc_encoder(x))
        if not self.training:
            return outputs
        if self.guide == "NRTRHead":
            outputs["gtc_logits"] = self.gtc_head(self.before_gtc(x), nrtr_label(targets, "label_gtc"))
        elif self.guide == "SARHead":
            outputs["sar_logits"] = self.sar_head(x, sar_targets(targets, "label_sar"))["logits"]
        return outputs

    @property
    def front_layer(self) -> str | None:
        """The part through which alone the head reads the features, so that what it gives can be cached; or None."""
        return "ctc_encoder" if self.guide is None else None

    def encode(self, features: Any) -> Any:
        """Return the sequence of the CTC head, [N, W, channels].

        Raises:
            ConfigError: The features have another shape.
        """
        return self.ctc_encoder(self._single_row(features))

    def classify(self, sequence: Any) -> dict[str, Any]:
        """Return the outputs of the CTC head for what `encode` returned."""
        ctc = self.ctc_head(sequence)
        if not self.training:
            return {"probs": ctc["probs"]}
        return {**ctc, **{f"ctc_{key}": value for key, value in ctc.items()}}

    def _single_row(self, features: Any) -> Any:
        x = features if self.pool is None else self._pooled(features)
        require_single_row(x, "MultiHead")
        return x

    def _pooled(self, features: Any) -> Any:
        if features.ndim == 3 and not (features.shape[1] > 0 and features.shape[1] % POOLED_ROWS):
            features = features.reshape([0, POOLED_ROWS, -1, self.in_channels]).transpose([0, 3, 1, 2])
        if features.ndim != 4 or features.shape[2] != POOLED_ROWS:
            raise ConfigError(f"MultiHead with use_pool gets features of shape {list(features.shape)}",
                              expected="a map of 3 rows, [batch, channels, 3, width] or [batch, 3 * width, channels], "
                                       "as SVTRNet gives for images 48 high with last_stage: false",
                              cure="correct the image height, or set use_pool: false")
        return self.pool(features)

    def class_axes(self) -> dict[str, tuple[int, str]]:
        """Return the parameters with an axis of classes: name to (axis, codec)."""
        named = {"ctc_head": self.ctc_head}
        if self.guide == "NRTRHead":
            named["gtc_head"] = self.gtc_head
        elif self.guide == "SARHead":
            named["sar_head"] = self.sar_head
        return {f"{part}.{name}": axis for part, layer in named.items() for name, axis in layer.class_axes().items()}


BUILDERS: dict[str, Callable[..., None]] = {
    "NRTRHead": MultiHead._build_nrtr, "SARHead": MultiHead._build_sar,
}


def _head_sections(head_list: list[dict[str, Any]]) -> dict[str, Section]:
    """Return the sections by the heads' names, checked to be CTCHead and at most one other."""
    sections: dict[str, Section] = {}
    for entry in head_list:
        section = named_section(entry, path=PATH)
        name = section["name"]
        if name not in PARTS:
            hint = did_you_mean(name, PARTS)
            raise ConfigError(f"{where(section, 'name')}: MultiHead has no head {name!r}"
                              + (f" ({hint})" if hint else ""),
                              expected="CTCHead, and SARHead or NRTRHead", cure="correct the name")
        if name in sections:
            raise ConfigError(f"{where(section, 'name')}: {name} stands in head_list twice",
                              expected="CTCHead, and SARHead or NRTRHead, once each", cure="remove one of them")
        sections[name] = section
    if "CTCHead" not in sections:
        raise ConfigError(f"{PATH} has no CTCHead", expected="CTCHead, which reads the text, and at most one other",
                          cure="add CTCHead: {Neck: {name: reshape}, Head: {}}")
    if len(sections) > 2:
        raise ConfigError(f"{PATH} has {len(sections)} heads: {', '.join(sections)}",
                          expected="CTCHead and at most one other", cure="remove SARHead or NRTRHead")
    return sections


def _part(section: Section, key: str) -> Mapping[str, Any]:
    """Return the mapping under `key` of the CTC head's section, empty if it is absent or null."""
    part = section.get(key)
    if part is None:
        return Section(path=f"{section.path}.{key}")
    if not isinstance(part, Mapping):
        raise ConfigError(f"{where(section, key)} is {part!r}", expected="a mapping",
                          cure="write it as {key: value}")
    return part


def _encoder_name(neck: Mapping[str, Any], section: Section) -> str:
    name = neck.get("name")
    if name not in ENCODERS:
        hint = did_you_mean(str(name), ENCODERS)
        place = where(neck, "name") if "name" in neck else f"{where(section)}: Neck.name"
        raise ConfigError(f"{place}: " + (f"there is no sequence encoder named {name!r}" if name else
                                          "CTCHead in MultiHead does not name its sequence encoder")
                          + (f" ({hint})" if name and hint else ""),
                          expected="one of " + ", ".join(ENCODERS), cure="write Neck: {name: svtr, ...} in CTCHead")
    return str(name)


def _refuse_use_pos(guide: str, use_pos: bool) -> None:
    if use_pos and guide != "NRTRHead":
        raise ConfigError(f"Architecture.Head.use_pos is true, the second head is {guide}",
                          expected="NRTRHead, which alone has such positions", cure="remove use_pos")


def _other_classes(ctc_classes: int, specials: Mapping[str, tuple[str, ...]]) -> int:
    """Return the number of classes of another codec over the same characters."""
    return ctc_classes - _count(CTC_SPECIALS) + _count(specials)


def _count(specials: Mapping[str, tuple[str, ...]]) -> int:
    return sum(len(names) for names in specials.values())


def _build(head: Callable[..., Any], section: Section, in_channels: int, classes: int, **supplied: Any) -> Any:
    return head(**check_arguments(head, section, kind="head", name=section["name"],
                                  supplied={"in_channels": in_channels, "num_classes": classes, **supplied}))
