"""Networks: image transforms, backbones, necks and heads, registered by the names that configurations use."""

from __future__ import annotations

from ppocr.modeling.architecture import OCRModel, build_model
from ppocr.modeling.backbones import (
    det_mobilenet_v3,
    det_resnet,
    mobilenet_v1_enhance,
    pphgnet_small,
    pphgnet_v2,
    pplcnet_v3,
    pplcnet_v4,
    rec_mobilenet_v3,
    rec_resnet_vd,
    rep_svtr,
    svtr_v2,
    svtrnet,
    vgg,
)
from ppocr.modeling.heads import (
    attention_head,
    cls_head,
    ctc_head,
    db_head,
    multi_head,
    nrtr_head,
    pf_head,
    sar_head,
)
from ppocr.modeling.necks import db_fpn, lk_pan, rep_lk_fpn, rep_lk_pan, rse_fpn, sequence_encoder
from ppocr.modeling.transforms import stn, tps

__all__ = [
    "OCRModel", "attention_head", "build_model", "cls_head", "ctc_head", "db_fpn", "db_head", "det_mobilenet_v3",
    "det_resnet", "lk_pan", "mobilenet_v1_enhance", "multi_head", "nrtr_head", "pf_head", "pphgnet_small", "pphgnet_v2",
    "pplcnet_v3", "pplcnet_v4", "rec_mobilenet_v3", "rec_resnet_vd", "rep_lk_fpn", "rep_lk_pan", "rep_svtr", "rse_fpn",
    "sar_head", "sequence_encoder", "stn", "svtr_v2", "svtrnet", "tps", "vgg",
]
