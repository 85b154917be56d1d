"""Keys that PaddleOCR's configurations contain and that have no effect here.

They are listed in this one place, accepted, and reported once per run, so that an existing configuration runs
unchanged and its owner knows what was not used.
"""

from __future__ import annotations

GLOBAL_KEYS: dict[str, str] = {
    "debug": "use tools/train.py --debug",
    "distributed": "the number of processes decides",
    "character_type": "the dictionary decides",
    "infer_mode": "prediction is a command of its own",
    "save_res_path": "give --output to the prediction command",
    "infer_img": "give --image_dir to the prediction command",
    "log_ranks": "every rank has its own log file",
    "start_ema": "no reader exists",
    "load_static_weights": "PaddleOCR 1.x weights are not supported",
    "print_mem_info": "memory is always logged on GPU",
    "uniform_output_enabled": "the output folder has one layout",
    "d2s_train_image_shape": "training runs in dynamic graph mode",
    "to_static": "training runs in dynamic graph mode",
    "calc_epoch_interval": "set Global.cal_metric_during_train",
    "infer_list": "give --image_dir to the prediction command",
    "infer_visual_type": "no reader exists",
    "save_visual": "no reader exists",
    "box_format": "no reader exists",
    "rm_symbol": "set Metric.is_filter to compare letters and digits only",
    "training_step": "VisionLAN is not available yet",
    "use_ema": "exponential moving averages are not available yet",
    "ema_decay": "exponential moving averages are not available yet",
    "ema_decay_type": "exponential moving averages are not available yet",
    "ema_gamma": "exponential moving averages are not available yet",
    "ema_filter_no_grad": "exponential moving averages are not available yet",
    "use_xpu": "training runs on CPU or CUDA GPUs",
    "use_npu": "training runs on CPU or CUDA GPUs",
    "use_mlu": "training runs on CPU or CUDA GPUs",
    "use_gcu": "training runs on CPU or CUDA GPUs",
    "use_metax_gpu": "training runs on CPU or CUDA GPUs",
    "use_iluvatar_gpu": "training runs on CPU or CUDA GPUs",
    "num_heads": "set it at the transform that needs it",
    "profiler_options": "set Global.profiler_options",
    "wandb": "set Global.loggers",
    "use_wandb": "set Global.loggers",
}
"""Keys of ``Global`` (and of the top level) without effect, each with what to do instead."""

COMPONENT_KEYS: dict[tuple[str, str], tuple[str, ...]] = {
    # The length of the run and the resumed step decide.
    ("learning-rate schedule", "*"): ("epochs", "step_each_epoch", "last_epoch"),
    # Adadelta has no momentum.
    ("optimizer", "Adadelta"): ("momentum",),
    # Global.character_dict_path and Global.use_space_char decide.
    ("transform", "RecResizeImg"): ("character_dict_path",),
    ("transform", "CTCLabelEncode"): ("character_dict_path", "use_space_char"),
    ("transform", "AttnLabelEncode"): ("character_dict_path", "use_space_char"),
    ("transform", "SARLabelEncode"): ("character_dict_path", "use_space_char"),
    ("transform", "NRTRLabelEncode"): ("character_dict_path", "use_space_char"),
    ("transform", "MultiLabelEncode"): ("character_dict_path", "use_space_char"),
    # The widths are drawn anew in every epoch.
    ("batch sampler", "MultiScaleSampler"): ("ratio_wh",),
    ("loader", "*"): ("num_sections",),
    # Read by nothing in PaddleOCR either; Global.pretrained_model names the weights.
    ("backbone", "PPLCNetV3"): ("pretrained",),
    # It has no channel gates.
    ("backbone", "ResNet_vd"): ("disable_se",),
    # The charset decides on the classes; the decay is read by nothing in PaddleOCR.
    ("head", "CTCHead"): ("out_channels",),
    ("head", "AttentionHead"): ("out_channels", "l2_decay"),
    ("head", "MultiHead"): ("out_channels_list",),
    # Belongs to the metric.
    ("loss", "ClsLoss"): ("main_indicator",),
    # Read by nothing in PaddleOCR either; box_type decides.
    ("post-process", "DBPostProcess"): ("det_box_type",),
    # Selects a model of a distillation.
    ("post-process", "ClsPostProcess"): ("key",),
}
"""``(kind, component name)`` or ``(kind, "*")`` to the argument names that are accepted without effect."""


def inert_component_keys(kind: str, name: str, key: str) -> bool:
    """Tell whether `key` is accepted without effect for the component `name` of this kind."""
    return key in COMPONENT_KEYS.get((kind, name), ()) or key in COMPONENT_KEYS.get((kind, "*"), ())
