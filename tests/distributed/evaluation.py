"""Evaluates random but always equal weights and writes the metrics: ``evaluation.py FILE -c CONFIG -o KEY=VALUE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ppocr.commands import base_parser, run_command
from ppocr.engine.builder import build_evaluation, build_model_parts
from ppocr.engine.device import world
from ppocr.engine.evaluator import evaluate
from ppocr.engine.ranks import sharing_failures
from tools.program import prepare


def main(arguments: list[str] | None = None) -> int:
    parser = base_parser("Evaluate random weights.")
    parser.add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    config, _ = prepare(given.config, given.opt, name="eval")
    with sharing_failures():
        parts = build_model_parts(config)
        loader, metric = build_evaluation(config, parts)
        metrics = evaluate(parts.model, loader, parts.postprocess, metric)
    rank, world_size = world()
    given.file.with_suffix(f".{world_size}.{rank}.json").write_text(json.dumps(metrics))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
