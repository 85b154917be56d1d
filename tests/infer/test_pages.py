from __future__ import annotations

import struct
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.errors import DependencyError, InferenceError
from ppocr.infer import load_pages, pages
from ppocr.infer.pages import tiff_pages


def shades(count: int) -> list[Any]:
    """Pages that are told apart by their grey and width."""
    return [np.full((40, 60 + number, 3), 40 * number, np.uint8) for number in range(count)]


def write_pdf(path: Path, kids: str, count: int, *objects: str) -> Path:
    """Write a PDF file whose pages are the objects from number 3 on; PDFium makes up for the missing table."""
    body = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    body += f"2 0 obj<</Type/Pages/Kids[{kids}]/Count {count}>>endobj\n"
    body += "".join(f"{number} 0 obj{content}endobj\n" for number, content in enumerate(objects, 3))
    path.write_text(body + "trailer<</Root 1 0 R>>\n%%EOF\n", encoding="ascii")
    return path


def pdf_page(width: int, height: int, contents: int) -> str:
    return f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents {contents} 0 R>>"


def stream(text: str) -> str:
    return f"<</Length {len(text)}>>stream\n{text}\nendstream "


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    path = tmp_path / "scan.tif"
    assert cv2.imwritemulti(str(path), shades(4))
    return path


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    """Two pages: a black bar in the lower left corner of the first, an empty landscape page."""
    return write_pdf(tmp_path / "doc.pdf", "3 0 R 4 0 R", 2, pdf_page(72, 144, 5), pdf_page(144, 72, 6),
                     stream("0 0 36 18 re f"), stream(""))


class TestTiff:
    def test_every_page(self, tiff: Path) -> None:
        loaded = list(load_pages(tiff))
        assert [page.page for page in loaded] == [1, 2, 3, 4]
        assert [page.name for page in loaded] == [f"{tiff}#page={number}" for number in (1, 2, 3, 4)]
        for page, expected in zip(loaded, shades(4), strict=True):
            np.testing.assert_array_equal(page.pixels, expected)

    def test_the_first_pages(self, tiff: Path) -> None:
        assert [page.page for page in load_pages(tiff, page_num=2)] == [1, 2]

    def test_one_page_is_a_picture(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "one.tiff"), shades(2)[1])
        page, = load_pages(tmp_path)
        assert page.page is None
        assert page.name == str(tmp_path / "one.tiff")
        np.testing.assert_array_equal(page.pixels, shades(2)[1])

    def test_deep_grey_pages(self, tmp_path: Path) -> None:
        path = tmp_path / "deep.tif"
        cv2.imwritemulti(str(path), [np.full((5, 6), 257 * grey, np.uint16) for grey in (50, 200)])
        assert [page.pixels[0, 0].tolist() for page in load_pages(path) if page.pixels is not None] == [
            [50] * 3, [200] * 3]

    def test_pages_are_read_when_they_are_asked_for(self, tiff: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[int] = []
        original = pages._tiff_page
        monkeypatch.setattr(pages, "_tiff_page", lambda *args: (read.append(args[3]), original(*args))[1])
        loaded = load_pages(tiff)
        assert read == []
        next(loaded)
        assert read == [1]

    def test_damaged_page_does_not_stop_the_others(self, tiff: Path) -> None:
        """The third page says that it is zero pixels wide."""
        data = bytearray(tiff.read_bytes())
        position, = struct.unpack_from("<I", data, 4)
        for _ in range(2):
            entries, = struct.unpack_from("<H", data, position)
            position, = struct.unpack_from("<I", data, position + 2 + 12 * entries)
        entries, = struct.unpack_from("<H", data, position)
        tags = {struct.unpack_from("<H", data, place)[0]: place
                for place in range(position + 2, position + 2 + 12 * entries, 12)}
        struct.pack_into("<I", data, tags[256] + 8, 0)
        tiff.write_bytes(data)
        loaded = list(load_pages(tiff))
        assert [page.pixels is None for page in loaded] == [False, False, True, False]
        assert loaded[2].error is not None
        assert "page 3: not a readable image" in loaded[2].error.what

    @pytest.mark.parametrize(("order", "mark"), [("<", b"II"), (">", b"MM")])
    @pytest.mark.parametrize("big", [False, True])
    def test_finding_them(self, order: str, mark: bytes, big: bool) -> None:
        """Three directories of one entry each, the second of which is linked to before it in the file."""
        directory = 8 + 20 + 8 if big else 2 + 12 + 4
        header = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
        first = len(header) + 2
        data = bytearray(mark + header + bytes(3 * directory))
        places = [first, first + 2 * directory, first + directory]
        for place, following in zip(places, [*places[1:], 0], strict=True):
            struct.pack_into(order + ("Q" if big else "H"), data, place, 1)
            struct.pack_into(order + ("Q" if big else "I"), data, place + directory - (8 if big else 4), following)
        assert tiff_pages(bytes(data)) == places
        # A file that ends early, one whose pages go round in a circle, and none.
        assert tiff_pages(bytes(data[:first + directory])) == places[:1]
        struct.pack_into(order + ("Q" if big else "I"), data, places[2] + directory - (8 if big else 4), first)
        assert tiff_pages(bytes(data)) == places
        assert tiff_pages(b"") == tiff_pages(b"\x89PNG1234") == []


class TestPdf:
    @pytest.fixture(autouse=True)
    def needs_package(self) -> None:
        pytest.importorskip("pypdfium2")

    def test_every_page(self, pdf: Path) -> None:
        first, second = load_pages(pdf, pdf_dpi=144)
        assert first.name == f"{pdf}#page=1"
        assert first.pixels is not None
        assert second.pixels is not None
        assert first.pixels.shape == (288, 144, 3)
        assert second.pixels.shape == (144, 288, 3)
        dark = first.pixels.max(axis=2) < 128
        assert dark[-34:-2, 2:70].all()
        assert dark.sum() == pytest.approx(36 * 72, rel=0.05)
        assert (second.pixels == 255).all()

    def test_the_first_pages_and_size(self, pdf: Path) -> None:
        page, = load_pages(pdf, page_num=1)
        assert page.pixels is not None
        assert page.pixels.shape == (400, 200, 3)

    def test_forgotten_pages_are_closed_while_others_are_drawn(self, pdf: Path) -> None:
        """As the garbage collector does it, in the thread that draws."""
        drawn = load_pages(pdf)
        next(drawn)

        def forget() -> None:
            nonlocal drawn
            with pages._PDFIUM:
                drawn = iter(())

        thread = threading.Thread(target=forget, daemon=True)  # It would wait for itself.
        thread.start()
        thread.join(60)
        assert not thread.is_alive()

    def test_poster_is_drawn_smaller(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = write_pdf(tmp_path / "poster.pdf", "3 0 R", 1, pdf_page(14400, 720, 4), stream(""))
        page, = load_pages(path)
        assert page.pixels is not None
        assert page.pixels.shape == (500, 10000, 3)
        assert "40000 pixels at 200 dots per inch are too many" in caplog.text

    def test_broken_page_does_not_stop_the_others(self, tmp_path: Path) -> None:
        path = write_pdf(tmp_path / "doc.pdf", "3 0 R 9 0 R 4 0 R", 3, pdf_page(72, 144, 5), pdf_page(144, 72, 5),
                         stream(""))
        loaded = list(load_pages(path, pdf_dpi=72))
        assert [page.page for page in loaded] == [1, 2, 3]
        assert [page.pixels is None for page in loaded] == [False, True, False]
        assert loaded[1].error is not None
        assert "page 2 cannot be drawn" in loaded[1].error.what

    @pytest.mark.parametrize("content", [b"", b"%PDF-1.4\n", b"no document at all"])
    def test_broken_file_does_not_stop_the_others(self, pdf: Path, content: bytes) -> None:
        (pdf.parent / "a.pdf").write_bytes(content)
        loaded = list(load_pages(pdf.parent))
        assert [page.pixels is None for page in loaded] == [True, False, False]
        assert loaded[0].error is not None
        assert "not a readable PDF file" in loaded[0].error.what
        assert loaded[0].name == str(pdf.parent / "a.pdf")

    def test_without_the_package(self, pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pypdfium2", None)
        with pytest.raises(DependencyError, match="reading PDF files needs pypdfium2") as caught:
            load_pages(pdf)
        assert "pip install pypdfium2" in caught.value.cure


class TestSources:
    def test_folder_pattern_and_list(self, tiff: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.png"), shades(2)[1])
        (tmp_path / "empty.jpg").touch()
        (tmp_path / "list.txt").write_text("a.png\nscan.tif\n", encoding="utf-8")
        names = [page.name.removeprefix(str(tmp_path) + "/") for page in load_pages(tmp_path, page_num=1)]
        assert names == ["a.png", "empty.jpg", "scan.tif#page=1"]
        assert [page.path.name for page in load_pages(tmp_path / "list.txt", page_num=1)] == ["a.png", "scan.tif"]
        assert len(list(load_pages([tmp_path / "*.png", tiff]))) == 5

    def test_bad_files_do_not_stop_the_others(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "good.png"), shades(2)[1])
        (tmp_path / "empty.jpg").touch()
        (tmp_path / "fake.tif").write_text("not a picture")
        (tmp_path / "list.txt").write_text("empty.jpg\nfake.tif\ngone.png\ngood.png\n")
        loaded = list(load_pages(tmp_path / "list.txt"))
        assert [page.error.what.split(",")[0] if page.error else "" for page in loaded] == [
            "the file is empty", "not a readable image", "No such file or directory", ""]

    def test_turned_as_the_camera_says(self, tmp_path: Path) -> None:
        pillow = pytest.importorskip("PIL.Image")
        picture = pillow.fromarray(np.zeros((20, 50, 3), np.uint8))
        exif = pillow.Exif()
        exif[274] = 6  # Turned by 90 degrees.
        picture.save(tmp_path / "photo.jpg", exif=exif)
        assert [page.pixels.shape for page in load_pages(tmp_path) if page.pixels is not None] == [(50, 20, 3)]
        assert [page.pixels.shape for page in load_pages(tmp_path, ignore_orientation=True)
                if page.pixels is not None] == [(20, 50, 3)]

    @pytest.mark.parametrize(("options", "words"), [({"page_num": -1}, "page_num is -1"), ({"pdf_dpi": 0}, "pdf_dpi")])
    def test_wrong_arguments(self, tiff: Path, options: dict[str, int], words: str) -> None:
        with pytest.raises(InferenceError, match=words):
            load_pages(tiff, **options)  # type: ignore[arg-type]

    def test_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(InferenceError, match="no picture in the folder") as caught:
            load_pages(tmp_path)
        assert ".pdf" in caught.value.expected
