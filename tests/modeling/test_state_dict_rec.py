"""The recognizers of PP-OCRv3 to v6 as configured have the parameter names and shapes of published weights."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest

from ppocr.config import load_config
from ppocr.modeling import build_model
from tests.shared_files import SHARED, needs_shared

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "rec"
FEW = 11

# dump: configuration, CTC classes, tensors, digest of names and shapes
MODELS: dict[str, tuple[str, int, int, str]] = {
    "v3_mobile_rec": ("PP-OCRv3_mobile_rec", 6625, 239,
                      "e4a21013c4ce605e10beb4d845ec509aa17740c8c8f421c6b88234ae29954c76"),
    "v4_mobile_rec": ("PP-OCRv4_mobile_rec", 6625, 968,
                      "28e1c3b567707973319d1d339c2fc55cb2b78207849bfdce4b60cc5f6507d5da"),
    "v4_server_rec": ("PP-OCRv4_server_rec", 6625, 357,
                      "fe78fde2212351cdbdffe20816321b6992854498eb3828acb7bb562b8ac8a5ec"),
    "v5_mobile_rec": ("PP-OCRv5_mobile_rec", 18385, 968,
                      "6c967081cd03268ee333e410019665447a6ed10a8b9a7cb989d2903fb66156d7"),
    "v5_server_rec": ("PP-OCRv5_server_rec", 18385, 545,
                      "a1fd553711510e8d975e67b2fc5d148d4bd7b234d08476370244d38b1f773da5"),
    "v6_tiny_rec": ("PP-OCRv6_tiny_rec", 6906, 290,
                    "23fd9ff7c94a3ae0e57918bb92638a4684ffbd9569b329431f31212ad7af2a62"),
    "v6_small_rec": ("PP-OCRv6_small_rec", 18710, 422,
                     "8f8e2f43369e78eab22708970fadf45589b55181c344cde1f53dc0fc88bc95c1"),
    "v6_medium_rec": ("PP-OCRv6_medium_rec", 18710, 441,
                      "6087a64af1dce94a258d8d454778889abafc10961623f6776569e20044b9d0df"),
}


def dump(name: str) -> dict[str, list[int]]:
    text = (SHARED / "reference/state_dict" / f"{name}.txt").read_text()
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {key: ast.literal_eval(shape) for key, shape, _ in rows}


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, list[int]]]:
    """Return the names and shapes of each model's tensors; built for few classes, which takes less time."""
    states = {}
    for name, (config, classes, *_) in MODELS.items():
        architecture = load_config(CONFIGS / f"{config}.yml", environ={})["Architecture"]
        model = build_model(architecture, num_classes=FEW)
        state = {key: list(value.shape) for key, value in model.state_dict().items()}
        for key, (axis, _) in model.head.class_axes().items():
            state[f"head.{key}"][axis] += classes - FEW
        states[name] = state
    return states


@pytest.mark.parametrize("name", MODELS)
def test_names_and_shapes(name: str, found: dict[str, dict[str, list[int]]]) -> None:
    _, _, tensors, digest = MODELS[name]
    assert len(found[name]) == tensors
    lines = "".join(f"{key} {shape}\n" for key, shape in sorted(found[name].items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == digest


@needs_shared("reference/state_dict")
@pytest.mark.parametrize("name", MODELS)
def test_same_as_the_published_dump(name: str, found: dict[str, dict[str, list[int]]]) -> None:
    assert found[name] == dump(name)
