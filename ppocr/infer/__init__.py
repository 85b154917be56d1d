"""Prediction from exported folders. Importing this needs no Paddle; the backend of that name does when it is used."""

from ppocr.infer import paddle_backend
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.parameters import exported_weights
from ppocr.infer.reader import LineReader
from ppocr.infer.recognizer import TextRecognizer

__all__ = ["InferenceFolder", "LineReader", "TextRecognizer", "exported_weights", "paddle_backend"]
