"""Rendered words: fonts, texts, drawing, data sets and the command that writes them."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.commands import USER_ERROR, run_command
from ppocr.cv import cv2
from ppocr.data.synth import (
    SampleBuilder,
    SynthSettings,
    WordRenderer,
    background,
    corpus,
    degrade,
    find_fonts,
    fonts,
    layout,
    write_dataset,
)
from ppocr.data.synth.background import ImageCrops
from ppocr.data.synth.cmap import covered_characters
from ppocr.data.synth.compose import Style, corners, paint
from ppocr.data.synth.dataset import image_name
from ppocr.errors import CharsetError, DatasetError, DependencyError
from tools import render_words

SANS = next(font for font in find_fonts() if font.path.stem == "DejaVuSans")
MONO = next(font for font in find_fonts() if font.path.stem == "DejaVuSansMono")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make_font(path: Path, subtable: bytes, platform: int = 3, encoding: int = 1) -> Path:
    """Write a font file that holds nothing but a cmap table."""
    cmap = struct.pack(">HHHHI", 0, 1, platform, encoding, 12) + subtable
    path.write_bytes(struct.pack(">4sHHHH", b"\x00\x01\x00\x00", 1, 0, 0, 0)
                     + struct.pack(">4sIII", b"cmap", 0, 28, len(cmap)) + cmap)
    return path


class TestCmap:
    def test_packaged_font(self) -> None:
        covered = covered_characters(SANS.path)
        assert set(map(ord, "azAZ09éßЯΩ€")) <= covered
        assert not {ord("中"), ord("ก"), 0xFFFF} & covered

    def test_segments_with_offset_and_with_glyph_array(self, tmp_path: Path) -> None:
        # 0x41-0x43 by an offset; 0x61-0x63 through the array of glyphs, whose second entry says "no glyph".
        head = struct.pack(">7H", 4, 0, 0, 6, 0, 0, 0)
        ends, starts = struct.pack(">3H", 0x43, 0x63, 0xFFFF), struct.pack(">3H", 0x41, 0x61, 0xFFFF)
        deltas, offsets = struct.pack(">3H", 10, 0, 1), struct.pack(">3H", 0, 4, 0)
        glyphs = struct.pack(">3H", 5, 0, 7)
        font = make_font(tmp_path / "a.ttf", head + ends + b"\0\0" + starts + deltas + offsets + glyphs)
        assert covered_characters(font) == {0x41, 0x42, 0x43, 0x61, 0x63}

    def test_trimmed_array_and_groups(self, tmp_path: Path) -> None:
        trimmed = struct.pack(">5H", 6, 0, 0, 0x30, 3) + struct.pack(">3H", 1, 0, 2)
        assert covered_characters(make_font(tmp_path / "b.ttf", trimmed)) == {0x30, 0x32}
        groups = struct.pack(">HHIII", 12, 0, 0, 0, 2) + struct.pack(">6I", 0x1F600, 0x1F602, 9, 0x41, 0x42, 0)
        font = make_font(tmp_path / "c.ttf", groups, encoding=10)
        assert covered_characters(font) == {0x1F600, 0x1F601, 0x1F602, 0x42}

    def test_tables_that_are_not_unicode_are_passed_over(self, tmp_path: Path) -> None:
        trimmed = struct.pack(">5H", 6, 0, 0, 0x30, 1) + struct.pack(">H", 1)
        assert covered_characters(make_font(tmp_path / "mac.ttf", trimmed, platform=1, encoding=0)) == frozenset()

    @pytest.mark.parametrize("content", [b"", b"not a font at all, but text", b"\x00\x01\x00\x00", b"ttcf"])
    def test_other_files_are_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x.ttf").write_bytes(content)
        with pytest.raises(DatasetError, match="damaged or of an unknown kind"):
            covered_characters(tmp_path / "x.ttf")

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="cannot be read"):
            covered_characters(tmp_path / "none.ttf")


class TestFonts:
    def test_packaged_fonts_are_sorted_and_cover_the_default_characters(self) -> None:
        found = find_fonts()
        assert len(found) >= 12
        assert [font.path for font in found] == sorted(font.path for font in found)
        assert all(font.covers(corpus.LETTERS_AND_DIGITS + " ") for font in found)

    def test_folder_is_searched_deeply(self, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        shutil.copy(SANS.path, tmp_path / "deep" / "One.TTF")
        (tmp_path / "readme.txt").write_text("no font")
        assert [font.path.name for font in find_fonts(tmp_path)] == ["One.TTF"]

    def test_unusable_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="holds no font"):
            find_fonts(tmp_path)
        with pytest.raises(DatasetError, match="does not exist"):
            find_fonts(tmp_path / "nowhere")

    def test_without_matplotlib(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fonts.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(DependencyError, match="Matplotlib") as caught:
            find_fonts()
        assert "--fonts" in caught.value.cure

    def test_missing_characters_are_named(self) -> None:
        with pytest.raises(DatasetError) as caught:
            fonts.check_coverage([SANS], "a中 ก")
        assert "2 characters are in none of the 1 fonts" in caught.value.what
        assert "'中' (U+4E2D CJK UNIFIED IDEOGRAPH-4E2D)" in caught.value.what
        assert "U+0E01 THAI CHARACTER KO KAI" in caught.value.what
        fonts.check_coverage([SANS], "abc éЯ")


class TestLayout:
    def test_agrees_with_pillow_for_a_whole_line(self) -> None:
        """Glyphs one by one give the picture that Pillow draws at once, up to the rounding of positions."""
        from PIL import Image, ImageDraw, ImageFont
        text = "Hxg 08"
        font = ImageFont.truetype(str(MONO.path), 40, layout_engine=ImageFont.Layout.BASIC)
        image = Image.new("L", (400, 80))
        ImageDraw.Draw(image).text((20, 60), text, fill=255, font=font, anchor="ls")
        whole = np.asarray(image)
        rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
        expected = whole[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        layer = layout.lay_out(text, MONO.path, 40)
        assert layer.mask.shape[0] == expected.shape[0]
        assert abs(layer.mask.shape[1] - expected.shape[1]) <= 1
        assert layer.baseline == 60 - rows[0]
        assert layer.mask.sum() == pytest.approx(expected.sum(), rel=0.02)

    def test_boxes_hold_the_ink_of_each_character(self) -> None:
        layer = layout.lay_out("a b", SANS.path, 32)
        assert layer.boxes.shape == (3, 4)
        assert layer.boxes[1].tolist() == [0, 0, 0, 0]
        left, top, right, bottom = layer.boxes[2].astype(int)
        assert right == layer.mask.shape[1]
        assert layer.mask[top:bottom, left:right].any(axis=0).all()
        assert not layer.mask[:, int(layer.boxes[0, 2]):left].any()

    def test_spacing_widens(self) -> None:
        plain, wide = (layout.lay_out("iii", SANS.path, 50, spacing).mask.shape[1] for spacing in (0.0, 0.2))
        assert wide - plain == pytest.approx(2 * 0.2 * 50, abs=1)

    @pytest.mark.parametrize("text", [" ", ""])
    def test_no_ink(self, text: str) -> None:
        with pytest.raises(DatasetError, match="leaves no ink"):
            layout.lay_out(text, SANS.path, 32)

    def test_joined_scripts_are_shaped_as_a_whole_or_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert layout.needs_shaping("سلام")
        assert layout.needs_shaping("e\u0301")
        assert not layout.needs_shaping("café Я")
        monkeypatch.setattr(layout.features, "check", lambda name: False)
        with pytest.raises(DatasetError, match="needs glyph shaping"):
            layout.lay_out("سلام", SANS.path, 32)


class TestCorpus:
    def test_made_up_words_keep_to_lengths_and_characters(self) -> None:
        source, generator = corpus.MadeUpWords(), rng()
        words = [source.word(generator) for _ in range(2000)]
        assert {len(word) for word in words} == set(range(2, 11))
        assert set("".join(words)) == set(corpus.LETTERS_AND_DIGITS), "each character occurs"
        assert len(set(words)) > 1800

    def test_dates_and_prices_come_with_their_characters(self) -> None:
        source, generator = corpus.MadeUpWords(tuple(corpus.LETTERS_AND_DIGITS + "$.,/-:€")), rng()
        words = [source.word(generator) for _ in range(3000)]
        assert any(word.startswith("$") and word[-3] == "." for word in words)
        assert any(word.count("-") == 2 for word in words)
        assert any(word[2:3] == ":" and len(word) == 5 for word in words)

    @pytest.mark.parametrize(("case", "check"), [("lower", str.islower), ("upper", str.isupper)])
    def test_case(self, case: Any, check: Any) -> None:
        source, generator = corpus.MadeUpWords(case=case), rng()
        words = [source.word(generator) for _ in range(200)]
        assert all(check(word) for word in words if not word.isdigit())

    def test_codes_avoid_what_cannot_be_told_apart(self) -> None:
        generator = rng()
        assert not corpus.AMBIGUOUS & set("".join(corpus._code(generator) for _ in range(500)))

    def test_foreign_charset_falls_back_to_random_strings(self) -> None:
        source, generator = corpus.MadeUpWords(tuple("αβγ"), 3, 5), rng()
        words = [source.word(generator) for _ in range(50)]
        assert set("".join(words)) == set("αβγ")
        assert {len(word) for word in words} == {3, 4, 5}

    def test_random_strings_place_spaces_inside_only(self) -> None:
        source, generator = corpus.RandomStrings(tuple("ab "), 1, 6), rng()
        words = [source.word(generator) for _ in range(500)]
        assert all(word == word.strip() and "  " not in word for word in words)
        assert any(" " in word for word in words)
        assert {len(word) for word in words} == {1, 2, 3, 4, 5, 6}

    def test_random_strings_are_even(self) -> None:
        source, generator = corpus.RandomStrings(tuple("abcd"), 10, 10), rng()
        text = "".join(source.word(generator) for _ in range(1000))
        assert all(text.count(char) / len(text) == pytest.approx(0.25, abs=0.02) for char in "abcd")

    def test_word_list_tells_what_it_leaves_out(self, tmp_path: Path) -> None:
        file = tmp_path / "words.txt"
        file.write_bytes("\ufeffone\r\n\r\n two words \nnaïve\ntoolongforthis\n".encode())
        source = corpus.WordList.from_file(file, max_length=9, symbols="abcdefghijklmnopqrstuvwxyz ")
        assert source.words == ("one", "two words")
        assert source.left_out == ("1 words are not 1 to 9 characters long",
                                   "1 words have characters outside the charset: 'ï'")
        assert {source.word(rng(seed)) for seed in range(20)} == {"one", "two words"}

    @pytest.mark.parametrize(("content", "what"), [
        (b"fine\na\tb\n", "words.txt:2: a tab inside the text"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"\n\n", "it is empty"),
        (b"waytoolong\n", "1 words are not 1 to 5"),
    ])
    def test_unusable_word_list(self, tmp_path: Path, content: bytes, what: str) -> None:
        (tmp_path / "words.txt").write_bytes(content)
        with pytest.raises(DatasetError) as caught:
            corpus.WordList.from_file(tmp_path / "words.txt", max_length=5)
        assert what in caught.value.what

    def test_impossible_arguments(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="cannot be read"):
            corpus.WordList.from_file(tmp_path / "none.txt")
        with pytest.raises(DatasetError, match="words of 5 to 4 characters"):
            corpus.MadeUpWords(min_length=5, max_length=4)
        with pytest.raises(DatasetError, match="no characters"):
            corpus.RandomStrings((" ",))


class TestPictures:
    @pytest.mark.parametrize("maker", [background.flat, background.gradient, background.texture])
    @pytest.mark.parametrize("size", [(1, 1), (3, 40), (200, 48)])
    def test_backgrounds(self, maker: Any, size: tuple[int, int]) -> None:
        image = maker(*size, rng())
        assert image.shape == (size[1], size[0], 3)
        assert image.dtype == np.uint8
        assert np.array_equal(image, maker(*size, rng()))

    def test_photographs(self, tmp_path: Path) -> None:
        photo = rng().integers(0, 256, (60, 80, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "a.png"), photo)
        crops = ImageCrops(tmp_path)
        for size in ((10, 8), (80, 60), (300, 40)):
            assert crops(*size, rng()).shape == (size[1], size[0], 3)
        assert np.array_equal(crops(80, 60, rng()), photo)
        (tmp_path / "b.jpg").write_bytes(b"")
        with pytest.raises(DatasetError, match=r"b\.jpg cannot be read"):
            for seed in range(20):
                ImageCrops(tmp_path)(10, 10, rng(seed))
        with pytest.raises(DatasetError, match="holds no image"):
            ImageCrops(tmp_path / "empty")

    def test_paint_fills_the_rectangle_it_is_given(self) -> None:
        canvas = np.full((30, 40, 3), 100, np.uint8)
        target = corners(20, 10) + np.array([5, 8], np.float32)
        image = paint(canvas, np.full((10, 20), 255, np.uint8), target, Style(np.array([0.0, 50.0, 200.0])))
        assert np.all(image[8:18, 5:25] == (0, 50, 200))
        image[8:18, 5:25] = 100
        assert np.array_equal(image, canvas)

    def test_paint_mixes_by_coverage_and_opacity(self) -> None:
        canvas = np.full((4, 4, 3), 100, np.uint8)
        style = Style(np.full(3, 200.0), opacity=0.5)
        assert np.all(paint(canvas, np.full((4, 4), 255, np.uint8), corners(4, 4), style) == 150)

    @pytest.mark.parametrize("step", [degrade.shade, degrade.fade, degrade.defocus, degrade.shake, degrade.go_far,
                                      degrade.grain, degrade.compress], ids=lambda step: step.__name__)
    @pytest.mark.parametrize("difficulty", [0.0, 0.3, 1.0])
    def test_degradation_keeps_type_and_size(self, step: Any, difficulty: float) -> None:
        for size in ((1, 1), (12, 5), (48, 160)):
            image = rng().integers(0, 256, (*size, 3)).astype(np.uint8)
            for seed in range(5):
                result = step(image, difficulty, rng(seed), size[0])
                assert result.shape == image.shape
                assert result.dtype == np.uint8

    def test_difficulty_zero_spoils_nothing(self) -> None:
        image = rng().integers(0, 256, (20, 30, 3)).astype(np.uint8)
        assert all(np.array_equal(degrade.degrade(image, 0.0, rng(seed)), image) for seed in range(20))


class TestWordRenderer:
    @pytest.mark.parametrize("height", [12, 32, 48, 64])
    def test_size_type_and_place(self, height: int) -> None:
        renderer = WordRenderer(height, 0.5)
        for seed, text in enumerate(["i", "nose", "Agility", "2024", "mmmmmmmmmm", "a b"]):
            image, quad = renderer.render(text, rng(seed))
            assert image.shape[0] == height
            assert image.dtype == np.uint8
            assert quad.shape == (4, 2)
            assert quad.dtype == np.float32
            assert quad.min() >= -0.01
            assert np.all(quad <= np.array([image.shape[1], height]) + 0.51)
            assert cv2.contourArea(quad, oriented=True) > 0, "clockwise on the screen"
            assert quad[0, 0] < quad[1, 0]

    def test_quad_holds_the_ink(self) -> None:
        """Without noise all that differs from the flat background lies within the quadrilateral, and touches it."""
        renderer = WordRenderer(48, 0.0, [SANS])
        for seed in range(30):
            image, quad = renderer.render("Hgx", rng(seed))
            if (image[0] == image[0, 0]).all() and (image[-1] == image[0, 0]).all():
                ink = np.abs(image.astype(int) - image[0, 0]).max(axis=2) > 20
                rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
                found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
                assert found == pytest.approx([*quad.min(axis=0), *quad.max(axis=0)], abs=1.5)
                return
        pytest.fail("no flat background in 30 words")

    def test_ink_contrasts_with_the_background(self) -> None:
        renderer = WordRenderer(48, 0.0)
        for seed in range(40):
            grey = cv2.cvtColor(renderer.render("HEN", rng(seed))[0], cv2.COLOR_BGR2GRAY)
            assert np.ptp(grey.astype(int)) > 100

    def test_difficulty_makes_pictures_vary_more(self) -> None:
        def sharpness(difficulty: float) -> float:
            renderer = WordRenderer(48, difficulty, [SANS])
            images = [renderer.render("Hello", rng(seed))[0] for seed in range(20)]
            return float(np.mean([np.ptp(cv2.GaussianBlur(image, (9, 9), 0).astype(int)) for image in images]))

        assert sharpness(1.0) < sharpness(0.0)

    def test_font_is_chosen_among_those_that_cover_the_text(self) -> None:
        blind = fonts.Font(Path("never-opened.ttf"), frozenset())
        renderer = WordRenderer(32, 0.3, [blind, SANS])
        assert renderer.can_draw("Я")
        assert not renderer.can_draw("中")
        for seed in range(10):
            renderer.render("Я", rng(seed))
        with pytest.raises(DatasetError, match="no font has all the characters of '中'"):
            renderer.render("中", rng())

    @pytest.mark.parametrize(("height", "difficulty", "found"), [(11, 0.3, [SANS]), (48, 1.1, [SANS]), (48, 0.3, [])])
    def test_bad_arguments(self, height: int, difficulty: float, found: list[Any]) -> None:
        with pytest.raises(DatasetError):
            WordRenderer(height, difficulty, found)


SMALL = SynthSettings(height=24, max_length=5)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class TestDataset:
    def test_files(self, tmp_path: Path) -> None:
        reports: list[tuple[int, int]] = []
        manifest = write_dataset(tmp_path, 60, SMALL, test_count=3, progress=lambda *state: reports.append(state))
        lines = (tmp_path / "train.txt").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 60
        for line in lines:
            name, text = line.split("\t")
            image = cv2.imread(str(tmp_path / name))
            assert image.shape[0] == 24
            assert 2 <= len(text) <= 5
        assert reports == [(50, 63), (60, 63), (63, 63)]
        assert manifest == json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["complete"]
        assert manifest["counts"] == {"train": 60, "test": 3}
        assert manifest["settings"]["height"] == 24
        assert not list(tmp_path.rglob("*.tmp"))

    def test_same_seed_gives_the_same_bytes_with_any_number_of_processes(self, tmp_path: Path) -> None:
        write_dataset(tmp_path / "a", 60, SMALL, test_count=5)
        write_dataset(tmp_path / "b", 60, SMALL, test_count=5, workers=2)
        assert content(tmp_path / "a") == content(tmp_path / "b")

    def test_one_sample_can_be_built_alone(self, tmp_path: Path) -> None:
        write_dataset(tmp_path, 4, SMALL)
        builder = SampleBuilder(SMALL)
        assert (tmp_path / image_name("train", 3)).read_bytes() == builder.encoded("train", 3)
        line = (tmp_path / "train.txt").read_text().splitlines()[3]
        assert line == f"train/word_0000003.jpg\t{builder.sample('train', 3).text}"

    def test_parts_indices_and_seeds_differ(self) -> None:
        builders = [SampleBuilder(SynthSettings(seed=seed)) for seed in (0, 1)]
        pictures = {builder.encoded(part, index) for builder in builders for part in ("train", "test")
                    for index in (0, 1)}
        assert len(pictures) == 8

    def test_interrupted_run_goes_on(self, tmp_path: Path) -> None:
        write_dataset(tmp_path / "whole", 60, SMALL)

        def interrupt(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_dataset(tmp_path / "parts", 60, SMALL, progress=interrupt)
        assert not (tmp_path / "parts" / "train.txt").exists()
        assert not json.loads((tmp_path / "parts" / "manifest.json").read_text())["complete"]
        first = tmp_path / "parts" / image_name("train", 0)
        modified = first.stat().st_mtime_ns
        write_dataset(tmp_path / "parts", 60, SMALL)
        assert content(tmp_path / "parts") == content(tmp_path / "whole")
        assert first.stat().st_mtime_ns == modified, "what was there is kept"

    def test_larger_set_begins_with_the_smaller(self, tmp_path: Path) -> None:
        write_dataset(tmp_path, 3, SMALL)
        before = (tmp_path / "train.txt").read_text()
        write_dataset(tmp_path, 5, SMALL)
        assert (tmp_path / "train.txt").read_text().startswith(before)

    def test_other_settings_need_overwrite(self, tmp_path: Path) -> None:
        write_dataset(tmp_path, 2, SMALL)
        with pytest.raises(DatasetError) as caught:
            write_dataset(tmp_path, 2, SynthSettings(height=32, max_length=5))
        assert "height: 24 there, 32 now" in caught.value.what
        write_dataset(tmp_path, 2, SynthSettings(height=32, max_length=5), overwrite=True)
        assert cv2.imread(str(tmp_path / image_name("train", 0))).shape[0] == 32

    def test_damaged_manifest_is_not_trusted(self, tmp_path: Path) -> None:
        write_dataset(tmp_path, 1, SMALL)
        (tmp_path / "manifest.json").write_text("{")
        with pytest.raises(DatasetError, match="other settings"):
            write_dataset(tmp_path, 1, SMALL)

    def test_charset_file_brings_all_its_characters(self, tmp_path: Path) -> None:
        symbols = "abcéЯ9%"
        (tmp_path / "dict.txt").write_text("\n".join(symbols), encoding="utf-8")
        builder = SampleBuilder(SynthSettings(charset_file=str(tmp_path / "dict.txt")))
        assert set("".join(builder.text("train", index) for index in range(200))) == set(symbols)

    def test_character_without_a_font_is_an_error_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "dict.txt").write_text("a\n中\n", encoding="utf-8")
        with pytest.raises(DatasetError, match="CJK UNIFIED IDEOGRAPH-4E2D"):
            write_dataset(tmp_path / "out", 1, SynthSettings(charset_file=str(tmp_path / "dict.txt")))
        assert not (tmp_path / "out").exists()

    def test_texts_are_drawn_until_one_font_has_all_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        builder = SampleBuilder(SMALL)
        builder.renderer.fonts = [fonts.Font(Path(f"{char}.ttf"), frozenset([ord(char)])) for char in "ab"]
        builder.corpus = corpus.RandomStrings("ab", 2, 3)
        assert all(len(set(builder.text("train", index))) == 1 for index in range(20))
        builder.corpus = corpus.WordList(("ab",))
        with pytest.raises(DatasetError, match="no font covers a whole text"):
            builder.text("train", 0)

    @pytest.mark.parametrize("arguments", [{"count": -1}, {"count": 1, "workers": 0}, {"count": 1, "test_count": -2}])
    def test_bad_counts(self, tmp_path: Path, arguments: dict[str, int]) -> None:
        with pytest.raises(DatasetError, match="counts"):
            write_dataset(tmp_path, settings=SMALL, **arguments)

    @pytest.mark.parametrize("settings", [{"seed": -1}, {"quality": 0}, {"seed": 1 << 32}])
    def test_bad_settings(self, settings: dict[str, int]) -> None:
        with pytest.raises(DatasetError):
            SynthSettings(**settings)

    def test_missing_charset_file(self) -> None:
        with pytest.raises(CharsetError):
            SampleBuilder(SynthSettings(charset_file="nowhere.txt"))


class TestCommand:
    def test_writes_and_reports(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "words.txt").write_text("alpha\nbeta\nlonger than that\n")
        code = render_words.main(["--output", str(tmp_path / "out"), "--count", "3", "--test_count", "2",
                                  "--height", "24", "--words_file", str(tmp_path / "words.txt")])
        printed = capsys.readouterr().out
        assert code == 0
        assert "5/5 words" in printed
        assert "left out: 1 words are not 2 to 10 characters long" in printed
        assert "wrote 3 training and 2 test images" in printed
        assert len((tmp_path / "out" / "test.txt").read_text().splitlines()) == 2

    def test_error_is_told_as_by_every_command(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["--output", str(tmp_path), "--fonts", str(tmp_path / "none")]
        assert run_command(render_words.main, arguments) == USER_ERROR
        assert "Error: the fonts folder" in capsys.readouterr().err

    def test_defaults_are_those_of_the_settings(self) -> None:
        options = vars(render_words.build_parser().parse_args(["--output", "x"]))
        settings = SynthSettings()
        assert all(options[key] == getattr(settings, key) for key in options.keys() & vars(settings).keys())
        assert vars(settings).keys() <= options.keys()
