"""Data: label files and databases, transforms, batch samplers and the loader.

Importing this package registers them. PaddlePaddle is needed only when batches are made.
"""

from ppocr.data import lmdb_dataset, multi_scale_dataset, multi_scale_sampler, simple_dataset, transforms
from ppocr.data.loader import DataLoader, LoaderOptions, build_dataloader
from ppocr.data.report import BadSampleReport
from ppocr.data.sample import Failure, Index, Sample, SampleInfo
from ppocr.data.transforms.pipeline import Pipeline, build_transforms

__all__ = [
    "BadSampleReport",
    "DataLoader",
    "Failure",
    "Index",
    "LoaderOptions",
    "Pipeline",
    "Sample",
    "SampleInfo",
    "build_dataloader",
    "build_transforms",
    "lmdb_dataset",
    "multi_scale_dataset",
    "multi_scale_sampler",
    "simple_dataset",
    "transforms",
]
