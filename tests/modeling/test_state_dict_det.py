"""The detectors of PP-OCRv4 to v6 as configured have the parameter names and shapes of published weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ppocr.config import load_config
from ppocr.modeling import build_model
from tests.modeling.test_state_dict import dump, shapes
from tests.shared_files import needs_shared

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "det"

# dump: tensors, digest of names and shapes
MODELS: dict[str, tuple[int, str]] = {
    "v4_mobile_det": (905, "89660c199b2f580fb98bc582767d86e7bd0932915c6ce58161b15cbcd3c0fb0b"),
    "v4_server_det": (367, "26c208c5de16261f2a4b8fed6893f84a00f60a6d99cb68d2d5a8368881fae2f8"),
    "v5_mobile_det": (905, "89660c199b2f580fb98bc582767d86e7bd0932915c6ce58161b15cbcd3c0fb0b"),
    "v5_server_det": (553, "a9c66ff3e343396691a9a1e465ebaa15796783dec2daf3dddc376b2ccee9af8f"),
    "v6_tiny_det": (494, "df7bc5006f8e40f15f6834ef26f4ca9792c16e2649c00fc51262ee8e8e1de708"),
    "v6_small_det": (514, "af37b06bd4332102175a7cbef2b81bc4497579fbc6b094eaf431428dc2704156"),
    "v6_medium_det": (745, "6165aabe67b5fdcb228f4a358d46d6eedb4d321f3ddf343f69cc8f6873ff3c68"),
}


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, list[int]]]:
    """Return the names and shapes of each model's tensors."""
    states = {}
    for name in MODELS:
        version, size, task = name.split("_")
        architecture = load_config(CONFIGS / f"PP-OCR{version}_{size}_{task}.yml", environ={})["Architecture"]
        states[name] = shapes(build_model(architecture, num_classes=1))
    return states


@pytest.mark.parametrize("name", MODELS)
def test_names_and_shapes(name: str, found: dict[str, dict[str, list[int]]]) -> None:
    tensors, digest = MODELS[name]
    assert len(found[name]) == tensors
    lines = "".join(f"{key} {shape}\n" for key, shape in sorted(found[name].items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == digest


@needs_shared("reference/state_dict")
@pytest.mark.parametrize("name", MODELS)
def test_same_as_the_published_dump(name: str, found: dict[str, dict[str, list[int]]]) -> None:
    assert found[name] == dump(name)
