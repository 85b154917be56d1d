"""Which samples are shown at an evaluation, as lines and as a picture."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.config import load_config
from ppocr.cv import cv2
from ppocr.engine.builder import build_training
from ppocr.engine.monitoring import lettering as lettering_module
from ppocr.engine.monitoring.lettering import Lettering
from ppocr.engine.monitoring.samples import KEPT_FILES, SampleLog
from ppocr.engine.monitoring.sheet import GREEN, RED, Shown, contact_sheet, label_regions
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError
from ppocr.results import Detection, Direction, TextLine
from tests.engine.stubs import config_for
from tests.small_run import write_small_run

GREY_PICTURE = np.full((20, 60, 3), 128, np.uint8)
LABEL = ('[{"transcription": "ab", "points": [[10, 10], [50, 10], [50, 30], [10, 30]]},'
         ' {"transcription": "###", "points": [[60, 10], [80, 10], [80, 30], [60, 30]]}]')
FOUND = Detection((np.array([[12, 40], [52, 40], [52, 60], [12, 60]], np.float32),), np.ones(1, np.float32))


def has(image: Any, colour: tuple[int, int, int]) -> bool:
    """Tell whether a picture has a pixel of a colour, or nearly."""
    return bool((np.abs(image.astype(int) - colour).max(axis=2) < 30).any())


class TestSheet:
    @pytest.mark.parametrize(("result", "line", "colour"), [
        (TextLine("abc", 0.87), "'abc' -> 'abc' 0.87", GREEN), (TextLine("abd", 0.5), "'abc' -> 'abd' 0.50", RED),
        (TextLine("", 0.0), "'abc' -> '' 0.00", RED), (Direction("abc", 1.0), "'abc' -> 'abc' 1.00", GREEN),
        (("some", "tuple"), "'abc' -> \"('some', 'tuple')\"", RED)])
    def test_a_text_is_green_where_it_is_that_of_the_label(self, result: Any, line: str,
                                                           colour: tuple[int, int, int]) -> None:
        sample = Shown(GREY_PICTURE, "abc", result, "a.png")
        assert sample.line == line
        sheet = contact_sheet([sample] * 3, Lettering())
        assert sheet.shape[0] == 3 * 64
        assert has(sheet, colour)
        assert not has(sheet, RED if colour == GREEN else GREEN)

    def test_a_photo_has_the_regions_of_label_and_model(self) -> None:
        photo = np.full((100, 120, 3), 255, np.uint8)
        sample = Shown(photo, LABEL, FOUND, "a.jpg")
        assert sample.line == "a.jpg: 1 regions and 1 that do not count -> 1 found"
        sheet = contact_sheet([sample], Lettering())
        assert sheet.shape == (124, 128, 3)
        for (x, y), colour in (((30, 10), GREEN), ((30, 40), RED), ((70, 10), (150, 150, 150))):
            assert has(sheet[y - 1:y + 2, x:x + 1], colour), (x, y)

    def test_regions_shrink_with_their_photo(self) -> None:
        sample = Shown(np.full((720, 960, 3), 255, np.uint8), LABEL, FOUND, "a.jpg")
        sheet = contact_sheet([sample], Lettering())
        assert sheet.shape == (384, 488, 3)  # Half as large.
        assert has(sheet[4:7, 15:16], GREEN)
        assert has(sheet[19:22, 15:16], RED)

    def test_photos_of_several_sizes_stand_in_a_square(self) -> None:
        photos = [Shown(np.zeros((height, 100, 3), np.uint8), "[]", Detection((), np.zeros(0, np.float32)), "a")
                  for height in (40, 50, 60, 70)]
        assert contact_sheet(photos, Lettering()).shape == ((50 + 24) + (70 + 24), 2 * 108, 3)

    def test_a_label_that_cannot_be_read_has_no_regions(self) -> None:
        assert label_regions("no JSON") == ([], [])


class TestLettering:
    def test_another_font_is_taken_for_characters_that_the_first_lacks(self, monkeypatch: pytest.MonkeyPatch,
                                                                       tmp_path: Path) -> None:
        import matplotlib

        (tmp_path / "broken.ttf").write_bytes(b"no font")
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "STIXGeneral.ttf").symlink_to(fonts / "STIXGeneral.ttf")
        monkeypatch.setattr(lettering_module, "FONT_FOLDERS", (str(tmp_path), str(tmp_path / "none")))
        letters = Lettering()
        assert letters._font_for("abc").name == "DejaVuSans.ttf"
        missing = next(chr(code) for code in sorted(Lettering()._more.__next__().characters)
                       if code > 255 and code not in letters._fonts[0].characters)
        assert letters._font_for(missing).name == "STIXGeneral.ttf"
        assert letters._font_for("\U0010fffd" + "a").name == "DejaVuSans.ttf"  # No font has it.

    def test_lines_that_do_not_fit_are_cut(self) -> None:
        image = np.full((20, 20, 3), 255, np.uint8)
        letters = Lettering()
        letters.write(image, (2, 2), "a long line", 20)
        letters.write(image, (50, 50), "outside", 20)
        assert image.min() < 128
        assert (image[:, :2] == 255).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    folder = tmp_path_factory.mktemp("samples")
    config = load_config(write_small_run(folder), ["Global.log_samples=5"], {})
    (folder / "output").mkdir()
    return build_training(config, "cpu")


def sample_log(run: TrainingRun) -> SampleLog:
    return next(hook for hook in run.hooks.hooks if isinstance(hook, SampleLog))


class TestHook:
    def test_some_samples_are_logged_and_all_are_drawn(self, run: TrainingRun,
                                                       caplog: pytest.LogCaptureFixture) -> None:
        run.progress.step = 7
        run.model.train()
        weights = {name: value.numpy().tobytes() for name, value in run.network.state_dict().items()}
        with caplog.at_level(logging.INFO, logger="ppocr"):
            sample_log(run).after_eval(run, {})
        lines = [line for line in caplog.messages if line.startswith("Sample: ")]
        labels = [line.split("\t")[1] for line in
                  (Path(run.config["Eval"]["dataset"]["label_file_list"][0])).read_text().splitlines()]
        # Five of twelve, evenly: every second.
        assert [line.split("'")[1] for line in lines] == labels[0:8:2]
        folder = Path(run.config["Global"]["save_model_dir"])
        assert cv2.imread(str(folder / "samples" / "step_7.png")).shape[0] == 5 * 64
        assert run.model.training
        assert weights == {name: value.numpy().tobytes() for name, value in run.network.state_dict().items()}

    def test_old_pictures_make_room(self, run: TrainingRun) -> None:
        folder = Path(run.config["Global"]["save_model_dir"]) / "samples"
        folder.mkdir(exist_ok=True)
        for step in range(100, 100 + KEPT_FILES):
            (folder / f"step_{step}.png").touch()
        run.progress.step = 1000
        sample_log(run).after_eval(run, {})
        names = {path.name for path in folder.iterdir()}
        assert len(names) == KEPT_FILES
        assert {"step_1000.png", "step_101.png"} <= names
        assert "step_100.png" not in names

    def test_a_fault_does_not_end_the_training(self, run: TrainingRun, caplog: pytest.LogCaptureFixture,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(self: Any, run: TrainingRun, shown: Any) -> None:
            raise ValueError("no ink")

        monkeypatch.setattr(SampleLog, "_draw", fail)
        sample_log(run).after_eval(run, {})
        assert "The samples cannot be shown (Global.log_samples): ValueError: no ink" in caplog.text


@pytest.mark.parametrize(("option", "has_boards", "expected"), [
    ("null", False, (4, False)), ("null", True, (8, True)), ("3", False, (3, True)), ("0", True, None)])
def test_what_is_shown_by_default(tmp_path: Path, option: str, has_boards: bool, expected: Any) -> None:
    options = config_for(tmp_path, f"Global.log_samples={option}")["Global"]
    loader: Any = object()
    hook = SampleLog.from_options(options, loader, has_boards=has_boards)
    assert (hook and (hook.count, hook.pictures)) == expected


def test_a_negative_number_is_refused(tmp_path: Path) -> None:
    loader: Any = object()
    with pytest.raises(ConfigError, match="log_samples"):
        SampleLog.from_options(config_for(tmp_path, "Global.log_samples=-1")["Global"], loader, has_boards=True)
