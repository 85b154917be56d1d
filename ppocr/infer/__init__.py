"""Prediction from exported folders. Importing this needs no Paddle; the backend of that name does when it is used."""

from ppocr.infer import onnx_backend, paddle_backend
from ppocr.infer.classifier import TextClassifier
from ppocr.infer.detector import TextDetector
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.page import PageLine, PageResult
from ppocr.infer.pages import load_pages
from ppocr.infer.parameters import exported_weights
from ppocr.infer.reader import DirectionReader, LineReader, RegionReader
from ppocr.infer.recognizer import TextRecognizer
from ppocr.infer.system import PageReader, TextSystem

__all__ = [
    "DirectionReader",
    "InferenceFolder",
    "LineReader",
    "PageLine",
    "PageReader",
    "PageResult",
    "RegionReader",
    "TextClassifier",
    "TextDetector",
    "TextRecognizer",
    "TextSystem",
    "exported_weights",
    "load_pages",
    "onnx_backend",
    "paddle_backend",
]
