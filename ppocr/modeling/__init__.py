"""Networks: image transforms, backbones, necks and heads, registered by the names that configurations use."""

from __future__ import annotations

from ppocr.modeling.architecture import OCRModel, build_model
from ppocr.modeling.backbones import mobilenet_v1_enhance, rec_mobilenet_v3, rec_resnet_vd, svtrnet, vgg
from ppocr.modeling.heads import attention_head, cls_head, ctc_head
from ppocr.modeling.necks import sequence_encoder
from ppocr.modeling.transforms import stn, tps

__all__ = [
    "OCRModel", "attention_head", "build_model", "cls_head", "ctc_head", "mobilenet_v1_enhance", "rec_mobilenet_v3",
    "rec_resnet_vd", "sequence_encoder", "stn", "svtrnet", "tps", "vgg",
]
