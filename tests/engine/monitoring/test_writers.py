"""What the boards find in their folders, also after a run was resumed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ppocr.engine.monitoring.tensorboard_writer import TensorBoardWriter
from ppocr.engine.monitoring.visualdl_writer import VisualDLWriter
from ppocr.engine.monitoring.wandb_writer import WandbWriter
from ppocr.engine.monitoring.writer import Start, Writer
from ppocr.errors import DependencyError
from ppocr.fileio import sha256

PICTURE = np.zeros((6, 9, 3), np.uint8)
PICTURE[..., 2] = 255  # Red.


def write(writer: Writer, folder: Path, first: int, last: int) -> None:
    writer.open(Start(folder, step=first - 1, identity="abc"))
    for step in range(first, last + 1):
        writer.add_scalars({"train/loss": step / 4}, step)
        writer.add_image("samples", PICTURE, step)
        writer.add_text("samples_text", "'a' -> 'b'\n'c' -> '<d>'", step)
    writer.close()


class TestVisualDL:
    def read(self, folder: Path) -> dict[str, list[Any]]:
        visualdl = pytest.importorskip("visualdl")
        file = sorted((folder / "vdl").iterdir())[-1]  # What the board shows.
        reader = visualdl.LogReader(file_path=str(file))
        return {tag: reader.get_data(kind, tag) for kind, tag in
                (("scalar", "train/loss"), ("image", "samples"), ("text", "samples_text"))}

    def test_a_run_that_goes_on_is_one_file_without_the_later_steps(self, tmp_path: Path) -> None:
        write(VisualDLWriter(), tmp_path, 1, 5)
        file, = (tmp_path / "vdl").iterdir()
        with open(file, "ab") as tail:
            tail.write(b"\x40\0\0\0\0\0\0\0half a record")  # 64 bytes are announced.
        write(VisualDLWriter(), tmp_path, 4, 6)
        found = self.read(tmp_path)
        assert [(entry.id, entry.value) for entry in found["train/loss"]] == [(n, n / 4) for n in range(1, 7)]
        assert [entry.id for entry in found["samples"]] == [1, 2, 3, 4, 5, 6]
        assert found["samples_text"][0].text.encoded_text_string == "'a' -> 'b'; 'c' -> '<d>'"

    def test_pictures_have_their_colours(self, tmp_path: Path) -> None:
        from ppocr.cv import cv2

        write(VisualDLWriter(), tmp_path, 1, 1)
        encoded = self.read(tmp_path)["samples"][0].image.encoded_image_string
        decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        assert decoded.shape == PICTURE.shape
        assert decoded[0, 0].tolist() == [0, 0, 255]

    def test_a_new_run_leaves_the_earlier_file_alone(self, tmp_path: Path) -> None:
        (tmp_path / "vdl").mkdir()
        earlier = tmp_path / "vdl" / "vdlrecords.1000000000.log"
        earlier.write_bytes(b"earlier")
        before = sha256(earlier)
        write(VisualDLWriter(), tmp_path, 1, 2)
        assert sha256(earlier) == before
        assert [entry.id for entry in self.read(tmp_path)["train/loss"]] == [1, 2]

    def test_a_name_with_a_percent_sign(self, tmp_path: Path) -> None:
        writer = VisualDLWriter()
        writer.open(Start(tmp_path))
        writer.add_scalar("eval/acc_%", 1.0, 1)
        writer.close()


class TestTensorBoard:
    def test_files_are_what_the_board_reads_and_later_steps_are_purged(self, tmp_path: Path) -> None:
        pytest.importorskip("tensorboardX")
        accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        write(TensorBoardWriter(), tmp_path, 1, 5)
        write(TensorBoardWriter(), tmp_path, 4, 6)
        found = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
        found.Reload()
        assert [(event.step, event.value) for event in found.Scalars("train/loss")] == \
            [(n, n / 4) for n in range(1, 7)]
        assert found.Images("samples")[-1].step == 6
        text = found.Tensors("samples_text/text_summary")[0].tensor_proto.string_val[0].decode()
        assert text.splitlines() == ["    'a' -> 'b'", "    'c' -> '<d>'"]


class Error(Exception):
    pass


class FakeRun:
    def __init__(self) -> None:
        self.metrics: list[tuple[str, Any]] = []
        self.logged: list[dict[str, Any]] = []
        self.exit_code: int | None = None

    def define_metric(self, name: str, **options: Any) -> None:
        self.metrics.append((name, options.get("step_metric")))

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def finish(self, exit_code: int) -> None:
        self.exit_code = exit_code


class FakeWandb(ModuleType):
    """Stands in for the package."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__("wandb")
        self.fails = fails
        self.run = FakeRun()
        self.arguments: dict[str, Any] = {}
        self.Error, self.Settings = Error, SimpleNamespace
        self.Image = lambda array: ("image", array[0, 0].tolist())
        self.Html = lambda page, inject: ("html", page)

    def init(self, **arguments: Any) -> FakeRun:
        if self.fails:
            raise Error("no key")
        self.arguments = arguments
        return self.run


class TestWandb:
    def test_everything_is_logged_over_the_step(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = FakeWandb()
        monkeypatch.setitem(sys.modules, "wandb", fake)
        write(WandbWriter("ocr"), tmp_path / "run", 7, 7)
        asked = {key: fake.arguments[key] for key in ("project", "id", "name", "dir", "resume")}
        assert asked == {"project": "ocr", "id": "abc", "name": "run", "dir": str(tmp_path / "run"), "resume": "allow"}
        assert fake.run.metrics == [("step", None), ("*", "step")]
        assert fake.run.logged == [
            {"train/loss": 1.75, "step": 7}, {"samples": ("image", [255, 0, 0]), "step": 7},
            {"samples_text": ("html", "<pre>&#x27;a&#x27; -&gt; &#x27;b&#x27;\n&#x27;c&#x27; -&gt; "
                                      "&#x27;&lt;d&gt;&#x27;</pre>"), "step": 7}]
        assert fake.run.exit_code == 0

    def test_a_service_that_refuses(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "wandb", FakeWandb(fails=True))
        with pytest.raises(DependencyError, match="no key") as caught:
            WandbWriter("ocr").open(Start(tmp_path))
        assert "WANDB_MODE=offline" in caught.value.cure

    def test_the_package_itself_offline(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("wandb")
        monkeypatch.setenv("WANDB_MODE", "offline")
        monkeypatch.setenv("WANDB_SILENT", "true")
        write(WandbWriter("ocr"), tmp_path, 1, 2)
        write(WandbWriter("ocr"), tmp_path, 2, 3)
        written = [path.stem for path in (tmp_path / "wandb").glob("offline-run-*-abc/run-abc.wandb")]
        assert written[:1] == ["run-abc"]


@pytest.mark.parametrize(("module", "make", "key"), [
    ("visualdl", VisualDLWriter, "use_visualdl"), ("tensorboardX", TensorBoardWriter, "use_tensorboard"),
    ("wandb", lambda: WandbWriter("x"), "use_wandb")])
def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch, module: str, make: Any, key: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DependencyError, match=f"Global.{key} is true, but {module} cannot be imported") as caught:
        make()
    assert f"pip install {module}" in caught.value.cure
