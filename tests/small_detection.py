"""Pictures with boxes, and the minimal detection configuration that a user would write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ppocr.cv import cv2

USER_CONFIG = """
Global: {{use_gpu: true, epoch_num: 500, save_model_dir: {folder}/output/my_det_model/, pretrained_model: {weights}}}
Architecture:
  model_type: det
  algorithm: DB
  Backbone: {{name: MobileNetV3, scale: 0.5}}
  Neck: {{name: DBFPN, out_channels: 256}}
  Head: {{name: DBHead, k: 50}}
Loss: {{name: DBLoss, balance_loss: true, main_loss_type: DiceLoss}}
Optimizer: {{name: Adam, lr: {{name: Cosine, learning_rate: 0.001, warmup_epoch: 2}}}}
Train: {{dataset: {{name: SimpleDataSet, data_dir: {folder}/, label_file_list: [{folder}/train_list.txt]}}, \
loader: {{batch_size_per_card: 16, num_workers: 8}}}}
Eval: {{dataset: {{data_dir: {folder}/, label_file_list: [{folder}/val_list.txt]}}, \
loader: {{batch_size_per_card: 1, num_workers: 2}}}}
"""
"""Only the paths may be filled in: no transforms, no PostProcess, no Metric, no name for the Eval dataset."""


def write_pictures(folder: Path, count: int = 4, test_count: int = 2) -> None:
    """Write grey pictures with dark words and their label files ``train_list.txt`` and ``val_list.txt``."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    for name, first, last in (("train_list.txt", 0, count), ("val_list.txt", count, count + test_count)):
        lines = []
        for number in range(first, last):
            picture = np.full((240, 320, 3), 230, np.uint8)
            regions = []
            for row in range(2):
                text = "".join(rng.choice(list("abcdefgh"), 5))
                (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.2, 2)
                x, y = int(rng.integers(10, 300 - width)), 60 + 100 * row
                cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (20, 20, 20), 2)
                left, top, right, bottom = x - 2, y - height - 2, x + width + 2, y + base
                regions.append({"transcription": text,
                                "points": [[left, top], [right, top], [right, bottom], [left, bottom]]})
            cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
            lines.append(f"images/{number}.png\t{json.dumps(regions)}\n")
        (folder / name).write_text("".join(lines), encoding="utf-8")


def write_user_config(folder: Path, weights: str = "null") -> Path:
    """Write the configuration beside the pictures and return its path."""
    path = folder / "my_det.yml"
    path.write_text(USER_CONFIG.format(folder=folder, weights=weights), encoding="utf-8")
    return path
