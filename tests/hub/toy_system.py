"""Published models of a small catalog that really read: dark rectangles are text, their greys are letters."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ppocr.hub import hub as hub_module
from tests import tiny_onnx
from tests.hub import toys

LETTERS = ("a", "b", "c", "d")


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, *, installed: bool = True) -> None:
    """Let the toolkit know only the system "toy" of the models "toy_det" and "toy_rec", with a cache of its own."""
    tiny_onnx.recognizer(folder / "made" / "rec.onnx", LETTERS)
    tiny_onnx.detector(folder / "made" / "det.onnx")
    files = {f"{task}.onnx": (folder / "made" / f"{task}.onnx").read_bytes() for task in ("det", "rec")}
    described = toys.content()
    described["packages"]["toy-models"]["format"] = "onnx"
    described["recipes"]["det"] |= {
        "transform_ops": [
            {"DetResizeForTest": {"limit_side_len": 32, "limit_type": "min"}},
            {"NormalizeImage": {"scale": "1./255.", "mean": [0.5] * 3, "std": [0.5] * 3, "order": "hwc"}},
            {"ToCHWImage": {}}],
        "postprocess": {"name": "DBPostProcess", "thresh": 0.5, "box_thresh": 0.5, "unclip_ratio": 0.0}}
    for task in ("det", "rec"):
        described["models"][f"toy_{task}"] |= {"packages": [{
            "package": "toy-models", "files": {"inference.onnx": toys.entry(f"{task}.onnx", files[f"{task}.onnx"])},
            **({"dictionary": "metadata"} if task == "rec" else {})}]}
    described["models"]["toy_rec"]["classes"] = 6
    (folder / "toys.yml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")
    catalog = toys.read_catalog(folder / "toys.yml")
    if installed:
        toys.install(folder / "site", monkeypatch, files)
    monkeypatch.setattr("ppocr.hub.shipped_catalog", lambda: catalog)
    monkeypatch.setattr(hub_module, "shipped_catalog", lambda: catalog)
    monkeypatch.setenv("PPOCR_HOME", str(folder / "home"))
