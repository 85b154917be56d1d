"""Evaluate a model: ``python tools/eval.py -c output/config.yml -o Global.pretrained_model=output/best_accuracy``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import base_parser, run_command
from ppocr.fileio import atomic_write


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = base_parser("Evaluate a model on the data of the section Eval.")
    parser.add_argument("--json", metavar="FILE", help="also write the metrics to this file")
    arguments = parser.parse_args(argv)
    # Imported here, so that --help does not wait for Paddle.
    from ppocr.engine.bad_samples import merged
    from ppocr.engine.builder import build_evaluation, build_model_parts, load_trained, required_weights
    from ppocr.engine.console import LOGGER, format_metrics
    from ppocr.engine.device import world
    from ppocr.engine.evaluator import evaluate
    from ppocr.engine.ranks import gather, sharing_failures

    from .program import prepare

    config, _ = prepare(arguments.config, arguments.opt, name="eval")
    rank, world_size = world()
    with sharing_failures():
        parts = build_model_parts(config)
        load_trained(parts, required_weights(config))
        loader, metric = build_evaluation(config, parts)
        metrics = evaluate(parts.model, loader, parts.postprocess, metric)
        report = merged(gather(loader.report, world_size))
    if rank != 0:
        return 0
    LOGGER.info(format_metrics(metrics))
    if any(report.findings):
        path = Path(config["Global"]["save_model_dir"]) / "bad_eval_samples.txt"
        report.write(path)
        LOGGER.warning("%s%s", "Counted as wrong: " if report.total else "", report.notice(path))
    if arguments.json:
        with atomic_write(arguments.json, "w") as file:
            json.dump(metrics, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
