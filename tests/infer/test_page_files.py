from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.errors import InferenceError
from ppocr.infer.page_files import PageJob, detect_pages, read_pages
from tests.tiny_detector import page
from tests.tiny_system import detector, system

PAGE = page((20, 10, 99, 39, 10), (140, 12, 259, 41, 20), (20, 80, 259, 109, 110))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture, an empty page, a TIFF file of two pages, a file of no bytes and one that is no picture."""
    folder = tmp_path / "pages"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), PAGE)
    cv2.imwrite(str(folder / "blank.png"), page())
    cv2.imwritemulti(str(folder / "scan.tif"), [page(), PAGE])
    (folder / "zero.jpg").touch()
    (folder / "text.jpg").write_text("no picture")
    return folder


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class TestReading:
    def test_rows_records_and_exit_code(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert read_pages(system(), PageJob(folder, output=tmp_path / "out.jsonl")) == 1
        printed = capsys.readouterr()
        assert printed.out.splitlines() == [
            f"{folder / 'a.png'}\t10\t0.9500", f"{folder / 'a.png'}\t20\t0.9000",
            f"{folder / 'scan.tif'}#page=2\t10\t0.9500", f"{folder / 'scan.tif'}#page=2\t20\t0.9000"]
        assert f"{folder / 'zero.jpg'}: the file is empty" in printed.err
        assert "2 of 6 pages could not be read" in printed.err
        written = records(tmp_path / "out.jsonl")
        assert [(Path(record["image"]).name, record.get("page"), len(record.get("lines", ())), record.get("dropped"))
                for record in written] == [("a.png", None, 2, 1), ("blank.png", None, 0, 0), ("scan.tif", 1, 0, 0),
                                           ("scan.tif", 2, 2, 1), ("text.jpg", None, 0, None),
                                           ("zero.jpg", None, 0, None)]
        assert written[0]["lines"][0]["text"] == "10"
        assert written[5]["error"] == "the file is empty"

    def test_all_good(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert read_pages(system(), PageJob([folder / "a.png", folder / "blank.png"])) == 0
        assert capsys.readouterr().err == (
            "2 texts on 2 pages; 1 left out, because their score is below drop_score 0.5; 1 pages without text\n")

    def test_first_pages(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert read_pages(system(), PageJob(folder / "scan.tif", page_num=1)) == 0
        assert capsys.readouterr().out == ""

    def test_a_page_on_which_the_network_fails_does_not_stop_the_others(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        reader = system()
        ocr, seen = reader.ocr, []

        def fails_once(image: Any) -> Any:
            seen.append(image)
            if len(seen) == 1:
                raise InferenceError("out of memory")
            return ocr(image)

        reader.ocr = fails_once  # type: ignore[method-assign]
        assert read_pages(reader, PageJob([folder / "blank.png", folder / "a.png"])) == 1
        printed = capsys.readouterr()
        assert "blank.png: out of memory" in printed.err
        assert len(printed.out.splitlines()) == 2

    def test_pictures(self, folder: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        cv2.imwrite(str(other / "a.png"), page())
        read_pages(system(), PageJob([folder, other / "a.png"], pictures=tmp_path / "drawn"))
        drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
        assert drawn == ["a_result-2.jpg", "a_result.jpg", "blank_result.jpg", "scan_1_result.jpg",
                         "scan_2_result.jpg"]
        picture = cv2.imread(str(tmp_path / "drawn" / "a_result.jpg"))
        assert picture.shape == (192, 640, 3)
        assert np.abs(picture[20, 50].astype(int) - 10).max() < 12
        assert (picture[15:35, 345:415] < 128).any(), "the text is drawn"

    def test_pictures_beside_the_pages_leave_them(self, folder: Path) -> None:
        before = (folder / "a.png").read_bytes()
        read_pages(system(), PageJob(folder / "a.png", pictures=folder))
        assert (folder / "a.png").read_bytes() == before
        assert (folder / "a_result.jpg").exists()

    def test_picture_that_is_too_long_for_jpeg(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "long.png"), np.full((40, 33000, 3), 255, np.uint8))
        read_pages(system(), PageJob(tmp_path / "long.png", pictures=tmp_path))
        assert cv2.imread(str(tmp_path / "long_result.png")).shape == (40, 66000, 3)

    def test_folder_that_cannot_be_written(self, folder: Path) -> None:
        with pytest.raises(InferenceError, match="cannot be written") as caught:
            read_pages(system(), PageJob(folder / "a.png", pictures=folder / "zero.jpg"))
        assert "draw_img_save_dir" in caught.value.cure

    def test_unfinished_output_is_not_left(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(InferenceError):
            read_pages(system(), PageJob(folder / "a.png", output=tmp_path / "o.jsonl", pictures=folder / "zero.jpg"))
        assert not (tmp_path / "o.jsonl").exists()


class TestDetecting:
    def test_rows_records_and_pictures(self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        job = PageJob([folder / "a.png", folder / "blank.png"], output=tmp_path / "out.jsonl", pictures=tmp_path / "d")
        assert detect_pages(detector(), job) == 0
        name, regions = capsys.readouterr().out.splitlines()[0].split("\t")
        assert name == str(folder / "a.png")
        assert [[20.0, 10.0], [99.0, 10.0], [99.0, 39.0], [20.0, 39.0]] in json.loads(regions)
        first, second = records(tmp_path / "out.jsonl")
        assert len(first["regions"]) == 3
        assert {*first["regions"][0]} == {"points", "score"}
        assert second["regions"] == []
        assert cv2.imread(str(tmp_path / "d" / "a_result.jpg")).shape == PAGE.shape
