"""The keys of a configuration that do not belong to a registered component: top level and ``Global``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

TOP_LEVEL_SECTIONS: dict[str, str] = {
    "Global": "what concerns the whole run",
    "Architecture": "model_type, algorithm and the parts of the network",
    "Loss": "the loss",
    "Optimizer": "optimizer, learning-rate schedule (`lr`), regularizer and clipping",
    "PostProcess": "from network output to results",
    "Metric": "what evaluation computes",
    "Train": "dataset, loader and sampler of training",
    "Eval": "dataset and loader of evaluation",
}
"""The sections of a configuration file, each with what it holds."""


@dataclass(frozen=True)
class GlobalKey:
    """One key of ``Global``.

    Args:
        type: Annotation that the value is checked against and converted to.
        default: Value when the key is absent.
        help: What it does, in one sentence.
    """

    type: Any
    default: Any
    help: str


GLOBAL_KEYS: dict[str, GlobalKey] = {
    "use_gpu": GlobalKey(bool | None, None,
                         "Run on GPU, an error if there is none; null takes one if Paddle and the machine have one."),
    "epoch_num": GlobalKey(int, 100, "Number of passes over the training data."),
    "seed": GlobalKey(int, 1024, "Seed of data order, augmentation and initial weights."),
    "save_model_dir": GlobalKey(str, "./output", "Folder for checkpoints, logs and the effective configuration."),
    "run_name": GlobalKey(
        str | None, None,
        "Train in a folder of this name below save_model_dir; auto names it after the options, such as lr0.001_bs32, "
        "with a number where it exists.",
    ),
    "pretrained_model": GlobalKey(
        str | None, None,
        "Weights to start from (weights only, training starts anew): a file, an exported folder, or the name of a "
        "published model.",
    ),
    "checkpoints": GlobalKey(
        str | None, None,
        "Checkpoint prefix to resume from, such as ./output/latest; the word latest alone takes the newest complete "
        "one in save_model_dir, and starts anew while there is none.",
    ),
    "new_schedule": GlobalKey(
        bool, False,
        "Resume (checkpoints) with the learning rate at the start of its schedule, which ends with the last epoch.",
    ),
    "min_load_share": GlobalKey(
        float, 0.5, "Smallest share of the model's tensors that a weights file must fill, else loading is an error."
    ),
    "pretrained_dict_path": GlobalKey(
        str | None, None,
        "Dictionary (or model, as for character_dict_path) that pretrained_model was trained with, where no .state "
        "beside it tells its charset; the rows of every character that stays are carried over by character.",
    ),
    "pretrained_use_space_char": GlobalKey(
        bool | None, None, "Whether the space was added to pretrained_dict_path; null finds out by the head's size."
    ),
    "freeze": GlobalKey(
        str | list[str] | None, None,
        "Shell patterns over names of parameters and layers, such as [backbone.*, head.ctc_encoder.*], that training "
        "leaves as they are; batch norms of wholly frozen layers keep their statistics, dropout is off there.",
    ),
    "unfreeze_epoch": GlobalKey(
        int | None, None,
        "Epoch, counted from 1, from which on what freeze names is trained too; null keeps it frozen to the end.",
    ),
    "cache_features": GlobalKey(
        bool, False,
        "Compute the output of the frozen front part (freeze) once for each training sample and train the rest on it.",
    ),
    "cache_augmentations": GlobalKey(
        int, 1, "Epochs of training samples that cache_features keeps; later epochs use them again in turn."
    ),
    "ema_decay": GlobalKey(
        float | None, None,
        "Decay of a moving average of the weights, such as 0.999, which evaluation, checkpoints and export use; null "
        "keeps none.",
    ),
    "early_stop_patience": GlobalKey(
        int | None, None,
        "End the training after so many evaluations without an improvement of the main indicator; null: never.",
    ),
    "early_stop_min_delta": GlobalKey(
        float, 0.0, "What an improvement has to exceed to count for early_stop_patience, in the indicator's unit."
    ),
    "deterministic": GlobalKey(
        bool, False, "Choose operators that give the same bits in every run with the same number of threads; slower."
    ),
    "skip_nonfinite": GlobalKey(
        int, 0,
        "Updates of a run that may be left out because gradients are not finite; with more the run stops. With AMP in "
        "float16 the loss scaling decides.",
    ),
    "check_numerics": GlobalKey(
        bool, False,
        "Look at the output of every layer and the gradient of every parameter in each step, which is slow, and name "
        "the first that is not finite; tools/train.py --debug sets it.",
    ),
    "profiler_options": GlobalKey(
        str | dict[str, Any] | None, None,
        "Batches to profile, such as {start: 10, stop: 20, path: ./profile} or \"batch_range=[10,20]; "
        "profile_path=./profile\"; further sorted_key (total, ave, max, min) and exit_on_finished.",
    ),
    "accumulation_steps": GlobalKey(int, 1, "Batches whose gradients are averaged before one optimizer step."),
    "print_batch_step": GlobalKey(int, 10, "Log a line every so many batches."),
    "log_smooth_window": GlobalKey(int, 20, "Number of batches over which logged losses are averaged."),
    "log_level": GlobalKey(Literal["DEBUG", "INFO", "WARNING"], "INFO", "Smallest level that is logged."),
    "eval_batch_step": GlobalKey(
        int | list[int] | None, None,
        "Evaluate every so many optimizer steps, or [start, every]; null evaluates after each epoch.",
    ),
    "eval_batch_epoch": GlobalKey(
        int | None, None, "Evaluate every so many epochs; takes the place of eval_batch_step."
    ),
    "save_epoch_step": GlobalKey(int, 10, "Keep a checkpoint iter_epoch_N every so many epochs; 0 keeps none."),
    "save_batch_step": GlobalKey(
        int | None, None, "Save latest every so many optimizer steps, besides after each epoch and evaluation."
    ),
    "keep_checkpoints": GlobalKey(int | None, None, "Number of iter_epoch_N that are kept, the newest; null is all."),
    "keep_best": GlobalKey(
        int, 1, "Number of checkpoints of the best evaluations that are kept: best_accuracy, and best_step_N beside it."
    ),
    "cal_metric_during_train": GlobalKey(bool, False, "Also compute the metric on the training batch that is logged."),
    "character_dict_path": GlobalKey(
        str | None, None,
        "Dictionary file, one character a line, or an exported or published model whose characters are meant; null is "
        "0-9a-z.",
    ),
    "use_space_char": GlobalKey(bool, False, "Add the space to the charset."),
    "max_text_length": GlobalKey(int, 25, "Longest text, in characters, that is trained on."),
    "label_list": GlobalKey(list[str] | None, None, "Names of the classes of a direction classifier."),
    "use_amp": GlobalKey(bool, False, "Mixed precision on GPU; on CPU a warning and float32."),
    "amp_level": GlobalKey(Literal["O1", "O2"], "O1", "O1 casts chosen operators, O2 the whole model."),
    "amp_dtype": GlobalKey(Literal["float16", "bfloat16"], "float16", "Half-precision type."),
    "amp_custom_black_list": GlobalKey(list[str] | None, None, "Operators kept in float32."),
    "amp_custom_white_list": GlobalKey(list[str] | None, None, "Operators put into half precision."),
    "scale_loss": GlobalKey(float, 32768.0, "Initial (or, without dynamic scaling, constant) loss scale for float16."),
    "use_dynamic_loss_scaling": GlobalKey(bool, True, "Adapt the loss scale when gradients overflow."),
    "use_sync_bn": GlobalKey(bool, False, "Batch-norm statistics over all GPUs."),
    "find_unused_parameters": GlobalKey(bool, False, "Data parallel option for models whose parts are not all used."),
    "use_visualdl": GlobalKey(bool, False, "Write figures and samples for VisualDL to <save_model_dir>/vdl."),
    "use_tensorboard": GlobalKey(
        bool, False, "Write figures and samples for TensorBoard to <save_model_dir>/tensorboard."
    ),
    "use_wandb": GlobalKey(
        bool, False, "Send figures and samples to Weights & Biases; WANDB_MODE=offline keeps them in the run's folder."
    ),
    "wandb_project": GlobalKey(str, "ppocr", "Project at Weights & Biases."),
    "log_samples": GlobalKey(
        int | None, None,
        "Samples whose label and prediction are shown at each evaluation, in the log and as a picture; null draws 8 "
        "where a board shows them, else logs 4; 0 shows none.",
    ),
    "progress_bar": GlobalKey(
        bool | None, None, "Show how far the epoch is; null does in a terminal, where the package tqdm is installed."
    ),
    "plugins": GlobalKey(
        list[str] | None, None, "Modules, or .py files relative to the configuration, that register components."
    ),
    "model_name": GlobalKey(str | None, None, "Name written into the exported model; default: the algorithm."),
    "save_inference_dir": GlobalKey(
        str | None, None, "Folder of the exported model; default <save_model_dir>/inference."
    ),
    "export_with_pir": GlobalKey(bool, True, "Export inference.json; false exports the older inference.pdmodel."),
}
"""The keys of ``Global`` with type, default and meaning."""
