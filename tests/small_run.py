"""A recognizer small enough to be trained within a test, on rendered words."""

from __future__ import annotations

from pathlib import Path

from ppocr.data.synth.dataset import SynthSettings, write_dataset

CONFIG = """
Global:
  use_gpu: false
  epoch_num: 1
  print_batch_step: 2
  save_epoch_step: 0
  save_model_dir: {folder}/output
Architecture:
  model_type: rec
  algorithm: CRNN
  Backbone: {{name: VGG, scale: 0.0625}}
  Neck: {{name: SequenceEncoder, encoder_type: rnn, hidden_size: 8}}
  Head: {{name: CTCHead}}
Loss: {{name: CTCLoss}}
Optimizer: {{name: Adam, lr: {{name: Cosine, learning_rate: 0.01}}}}
PostProcess: {{name: CTCLabelDecode}}
Metric: {{name: RecMetric}}
Train:
  dataset:
    name: SimpleDataSet
    data_dir: {folder}/words
    label_file_list: ["{folder}/words/train.txt"]
    transforms: &transforms
      - DecodeImage: {{img_mode: BGR}}
      - CTCLabelEncode:
      - RecResizeImg: {{image_shape: [3, 32, 64]}}
      - KeepKeys: {{keep_keys: [image, label, length]}}
  loader: {{batch_size_per_card: 8, num_workers: 0}}
Eval:
  dataset:
    name: SimpleDataSet
    data_dir: {folder}/words
    label_file_list: ["{folder}/words/test.txt"]
    transforms: *transforms
  loader: {{batch_size_per_card: 8, num_workers: 0}}
"""


def write_small_run(folder: Path, count: int = 16, test_count: int = 12) -> Path:
    """Write words and a configuration below `folder` and return the configuration's path."""
    settings = SynthSettings(seed=3, height=32, min_length=2, max_length=5)
    write_dataset(folder / "words", count, settings, test_count=test_count)
    config = folder / "small.yml"
    config.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return config
