"""Rendered pages: where words stand, what the labels say, data sets and the command that writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from ppocr.commands import USER_ERROR, run_command
from ppocr.cv import cv2
from ppocr.data.synth import (
    PageBuilder,
    PageRenderer,
    PageSettings,
    clutter,
    corpus,
    find_fonts,
    fonts,
    page_dataset,
    pages,
    write_pages,
)
from ppocr.data.synth.background import ImageCrops
from ppocr.data.synth.compose import corners, place
from ppocr.data.synth.page_dataset import crop_name, label, loosened
from ppocr.data.synth.page_layout import DRAWN_SIZES, LARGEST, SMALLEST, PagePlanner
from ppocr.data.synth.pages import PageWord
from ppocr.data.synth.placing import Taken, separated
from ppocr.errors import DatasetError
from tools import render_pages

FONTS = find_fonts()
SANS = next(font for font in FONTS if font.path.stem == "DejaVuSans")
WORDS = corpus.MadeUpWords()
SMALL = PageSettings(width=200, height=160, max_length=5)


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed or 0)


def renderer(**arguments: Any) -> PageRenderer:
    return PageRenderer(**{"corpus": WORDS, "fonts": [SANS], "empty": 0.0, **arguments})


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class TestPlacing:
    SQUARE = corners(10, 10)

    @pytest.mark.parametrize(("shift", "gap", "expected"), [
        ((9.9, 0), 0, False), ((10, 0), 0, True), ((0, 12), 2, True), ((0, 12), 2.1, False), ((-11, -11), 1, True),
        ((0, 0), 0, False),
    ])
    def test_squares(self, shift: tuple[float, float], gap: float, expected: bool) -> None:
        other = self.SQUARE + np.float32(shift)
        assert separated(self.SQUARE, other, gap) is expected
        assert separated(other, self.SQUARE, gap) is expected

    def test_agrees_with_exact_geometry(self) -> None:
        generator, seen = rng(), {True: 0, False: 0}
        for _ in range(300):
            one, other = (cv2.boxPoints(((generator.uniform(0, 30), generator.uniform(0, 30)),
                                         (generator.uniform(3, 20), generator.uniform(3, 20)),
                                         generator.uniform(0, 90))).astype(np.float32) for _ in range(2))
            disjoint = not shapely.Polygon(one).intersects(shapely.Polygon(other))
            assert separated(one, other) == disjoint
            seen[disjoint] += 1
        assert min(seen.values()) > 50

    def test_taken_places(self) -> None:
        taken = Taken()
        assert taken.is_free(self.SQUARE, 5)
        taken.add(self.SQUARE)
        taken.add(self.SQUARE + np.float32(100))
        assert not taken.is_free(self.SQUARE + np.float32((13, 0)), 4)
        assert taken.is_free(self.SQUARE + np.float32((13, 0)), 3)
        assert not taken.is_free(self.SQUARE + np.float32(95), 0)
        # A diamond's bounds meet the square's, but not its edges.
        assert taken.is_free(np.float32([[19, 9], [29, 19], [19, 29], [9, 19]]), 2)


class TestPlan:
    @pytest.mark.parametrize("difficulty", [0.0, 0.3, 1.0])
    def test_words_lie_within_the_page_and_apart(self, difficulty: float) -> None:
        drawer = renderer(difficulty=difficulty, fonts=FONTS)
        for seed in range(25):
            words = drawer.plan(rng(seed)).words
            outlines = [shapely.Polygon(word.quad) for word in words]
            assert words
            for index, (word, outline) in enumerate(zip(words, outlines, strict=True)):
                assert word.quad.dtype == np.float32
                assert word.quad.min() >= 1
                assert (word.quad <= (638, 478)).all()
                assert outline.is_valid
                assert cv2.contourArea(word.quad, oriented=True) > 0, "clockwise on the screen"
                assert word.quad[0, 0] < word.quad[1, 0], "begins at the top left as one reads it"
                assert all(outline.distance(other) > 0.5 for other in outlines[:index])

    def test_words_of_a_line_share_a_baseline(self) -> None:
        """Words without tails end on the same row when nothing is turned, whatever their height."""
        drawer = renderer(difficulty=0.0, corpus=corpus.WordList(("man", "HAM", "lid")))
        checked = 0
        for seed in range(20):
            for block in drawer.plan(rng(seed)).blocks:
                bottoms = np.sort([word.quad[2, 1] for word in block.words])
                steps = np.diff(bottoms)
                # Round letters reach a little below the line; the next line is more than an em away.
                assert ((steps < 0.05 * block.em) | (steps > block.em)).all()
                checked += int((steps < 0.05 * block.em).sum())
        assert checked > 20

    def test_sizes_span_the_range(self) -> None:
        ems = [block.em for seed in range(60) for block in renderer().plan(rng(seed)).blocks]
        assert SMALLEST * 480 <= min(ems) < 24
        assert 60 < max(ems) <= LARGEST * 480

    def test_large_pages_have_text_larger_than_drawn_glyphs(self) -> None:
        plans = [renderer(width=2400, height=2400).plan(rng(seed)) for seed in range(6)]
        assert max(block.em for plan in plans for block in plan.blocks) > DRAWN_SIZES[-1]

    def test_words_are_wider_than_high_where_there_is_a_choice(self) -> None:
        planner = PagePlanner(640, 480, 0.3, corpus.WordList(("ll", "wide")), [SANS])
        assert {planner._word(SANS, 28, 0.0, rng(seed))[0] for seed in range(30)} == {"wide"}
        planner = PagePlanner(640, 480, 0.3, corpus.WordList(("ll",)), [SANS])
        assert planner._word(SANS, 28, 0.0, rng())[0] == "ll"

    def test_fonts_take_turns_where_one_lacks_a_character(self) -> None:
        blind = fonts.Font(Path("never-opened.ttf"), frozenset())
        assert renderer(fonts=[blind, SANS]).plan(rng()).words
        with pytest.raises(DatasetError, match="no font covers a whole text"):
            renderer(fonts=[blind]).plan(rng())

    def test_text_that_never_fits(self) -> None:
        with pytest.raises(DatasetError, match="no text fits on a page of 160 x 160"):
            renderer(width=160, height=160, corpus=corpus.WordList(("m" * 60,))).plan(rng())

    def test_share_of_empty_pages(self) -> None:
        empty = [not renderer(empty=0.3).plan(rng(seed)).words for seed in range(200)]
        assert np.mean(empty) == pytest.approx(0.3, abs=0.1)
        assert not any(renderer(empty=1.0).plan(rng(seed)).words for seed in range(5))

    def test_things_keep_away_from_words(self) -> None:
        shapes = 0
        for seed in range(40):
            plan = renderer().plan(rng(seed))
            for shape in plan.shapes:
                shapes += 1
                assert all(separated(shape.quad, word.quad) for word in plan.words)
        assert shapes > 30


class TestPaint:
    def test_quads_enclose_the_ink(self) -> None:
        """All that text changes on a page lies within the quads, and each quad is filled to its edges."""
        drawer = renderer(difficulty=0.0, fonts=FONTS)
        for seed in range(12):
            plan = drawer.plan(rng(seed))
            bare = pages.PagePlan(tuple(_without_words(block) for block in plan.blocks), plan.shapes)
            # Same background, shapes and panels: these take their random numbers before the words do.
            with_text, without = (drawer.paint(one, rng(9, seed)).astype(int) for one in (plan, bare))
            ink = np.abs(with_text - without).max(axis=2) > 12
            allowed = np.zeros(ink.shape, np.uint8)
            for word in plan.words:
                cv2.fillPoly(allowed, [np.rint(word.quad * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
                _assert_touched(ink, word.quad)
            assert not ink[cv2.dilate(allowed, np.ones((3, 3), np.uint8)) == 0].any()

    def test_quads_enclose_the_masks_also_when_turned(self) -> None:
        """Each mask, warped as on the page, stays within its quad and reaches all four sides."""
        plan = renderer(difficulty=1.0).plan(rng(4))
        for block in plan.blocks:
            for word in block.words:
                ink = place(word.mask, word.quad, (640, 480)) > 100
                points = np.argwhere(ink)[:, ::-1] - (word.quad - np.float32(0.5)).mean(axis=0)
                quad = (word.quad - np.float32(0.5)) - (word.quad - np.float32(0.5)).mean(axis=0)
                for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
                    edge = (end - start) / np.hypot(*(end - start))
                    inside = edge[0] * (points[:, 1] - start[1]) - edge[1] * (points[:, 0] - start[0])
                    assert inside.min() > -0.75
                    assert inside.min() < 0.12 * block.em + 1.5, "the ink comes close to each side"

    def test_text_contrasts_with_what_it_stands_on(self) -> None:
        page = renderer(difficulty=0.0)
        for seed in range(8):
            plan = page.plan(rng(seed))
            image = cv2.cvtColor(page.paint(plan, rng(3, seed)), cv2.COLOR_BGR2GRAY)
            for word in plan.words:
                left, top, right, bottom = (*word.quad.min(axis=0).astype(int), *word.quad.max(axis=0).astype(int) + 1)
                assert np.ptp(image[top:bottom, left:right].astype(int)) > 60

    def test_size_type_and_photographs(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.png"), rng().integers(0, 256, (60, 80, 3)).astype(np.uint8))
        drawer = renderer(width=321, height=167, photos=ImageCrops(tmp_path))
        for seed in range(4):
            image = drawer.paint(drawer.plan(rng(seed)), rng(1, seed))
            assert image.shape == (167, 321, 3)
            assert image.dtype == np.uint8

    def test_every_kind_of_thing_is_drawn_within_its_outline(self) -> None:
        quad = corners(60, 30) + np.float32((20, 10))
        for kind in clutter.KINDS:
            canvas = clutter.draw_shapes(np.full((60, 100, 3), 90, np.uint8), [clutter.Shape(kind, quad)], rng())
            changed = (canvas != 90).any(axis=2)
            assert changed.sum() > 100, kind
            changed[7:43, 17:83] = False
            assert not changed.any(), kind

    @pytest.mark.parametrize("arguments", [
        {"width": 159}, {"height": 100}, {"difficulty": -0.1}, {"difficulty": 1.1}, {"empty": 1.5}, {"empty": -1},
        {"fonts": []},
    ])
    def test_bad_arguments(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(DatasetError):
            renderer(**arguments)


def _without_words(block: Any) -> Any:
    return type(block)((), block.em, block.outline, block.on_panel)


def _assert_touched(ink: Any, quad: Any) -> None:
    """Check, for an upright quad, that ink comes within two pixels of each side."""
    left, top = np.rint(quad.min(axis=0)).astype(int)
    right, bottom = np.rint(quad.max(axis=0)).astype(int) + 1
    part = ink[top:bottom, left:right]
    rows, columns = part.any(axis=1), part.any(axis=0)
    for flags in (rows[:3], rows[-3:], columns[:3], columns[-3:]):
        assert flags.any()


class TestLabels:
    def test_label_is_json_with_words_and_corners(self) -> None:
        quad = np.float32([[1.126, 2], [30, 2.5], [30, 12], [1, 11]])
        text = label([PageWord('é"', quad)])
        assert json.loads(text) == [{"transcription": 'é"', "points": [[1.13, 2.0], [30.0, 2.5], [30.0, 12.0],
                                                                      [1.0, 11.0]]}]
        assert "é" in text
        assert label([]) == "[]"

    def test_loosened_quads_are_mostly_larger_and_never_far_off(self) -> None:
        quad, generator = corners(80, 20) + np.float32(50), rng()
        areas = []
        for _ in range(200):
            moved = loosened(quad, generator)
            assert moved.dtype == np.float32
            assert np.abs(moved - quad).max() < 12
            areas.append(cv2.contourArea(moved) / 1600)
        assert 0.75 < min(areas) < 0.99
        assert np.mean([area > 1 for area in areas]) > 0.9

    def test_margins_follow_the_direction_of_the_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Fixed:
            def uniform(self, low: float, high: float, size: int) -> Any:
                return np.array([0.1, 0.3]) if low == -0.08 else np.array([0.2, 0.4])

            def normal(self, mean: float, sigma: float, size: tuple[int, int]) -> Any:
                return np.zeros(size)

        quad = np.float32([[20, 0], [20, 50], [0, 50], [0, 0]])  # Runs downwards; 20 pixels high as it is read.
        moved = loosened(quad, Fixed())  # type: ignore[arg-type]
        assert moved == pytest.approx(np.float32([[24, -2], [24, 56], [-8, 56], [-8, -2]]))


class TestDataset:
    def test_files(self, tmp_path: Path) -> None:
        manifest = write_pages(tmp_path, 12, PageSettings(width=200, height=160, max_length=5, crops=True),
                               test_count=2)
        lines = (tmp_path / "train.txt").read_text(encoding="utf-8").splitlines()
        words = (tmp_path / "train_words.txt").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 12
        found = []
        for number, line in enumerate(lines):
            name, text = line.split("\t")
            assert cv2.imread(str(tmp_path / name)).shape == (160, 200, 3)
            for position, word in enumerate(json.loads(text)):
                found.append(f"{crop_name('train', number, position)}\t{word['transcription']}")
        assert words == found
        for line in words:
            crop = cv2.imread(str(tmp_path / line.split("\t")[0]))
            assert 4 <= crop.shape[0] <= 1.5 * crop.shape[1] + 1
        assert sorted(manifest["files"]) == ["test.txt", "test_words.txt", "train.txt", "train_words.txt"]
        assert manifest["complete"]
        assert manifest["settings"]["crops"] is True
        assert not list(tmp_path.rglob("*.tmp"))

    def test_same_seed_gives_the_same_bytes_with_any_number_of_processes(self, tmp_path: Path) -> None:
        settings = PageSettings(width=200, height=160, crops=True)
        write_pages(tmp_path / "a", 25, settings, test_count=3)
        write_pages(tmp_path / "b", 25, settings, test_count=3, workers=2)
        assert content(tmp_path / "a") == content(tmp_path / "b")

    def test_one_page_can_be_built_alone(self, tmp_path: Path) -> None:
        write_pages(tmp_path, 4, SMALL)
        builder = PageBuilder(SMALL)
        name = builder.image_name("train", 3)
        assert builder.files("train", 3) == {name: (tmp_path / name).read_bytes()}
        line = (tmp_path / "train.txt").read_text(encoding="utf-8").splitlines()[3]
        assert line == f"{name}\t{label(PageBuilder(SMALL).words('train', 3))}"
        assert [word.text for word in builder.sample("train", 3).words] == [word.text for word in
                                                                            builder.words("train", 3)]

    def test_crops_do_not_change_the_pages(self) -> None:
        plain, cropped = (PageBuilder(PageSettings(width=200, height=160, crops=crops)) for crops in (False, True))
        name = plain.image_name("test", 5)
        assert plain.files("test", 5)[name] == cropped.files("test", 5)[name]
        assert list(cropped.files("test", 5))[-1] == name, "the page comes last, as the sign that all is there"

    def test_parts_indices_and_seeds_differ(self) -> None:
        builders = [PageBuilder(PageSettings(seed=seed, width=200, height=160)) for seed in (0, 1)]
        pictures = {builder.files(part, index)[builder.image_name(part, index)] for builder in builders
                    for part in ("train", "test") for index in (0, 1)}
        assert len(pictures) == 8

    def test_interrupted_run_goes_on(self, tmp_path: Path) -> None:
        write_pages(tmp_path / "whole", 12, SMALL)

        def interrupt(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_pages(tmp_path / "parts", 12, SMALL, progress=interrupt)
        assert not (tmp_path / "parts" / "train.txt").exists()
        first = tmp_path / "parts" / "train" / "page_0000000.jpg"
        modified = first.stat().st_mtime_ns
        write_pages(tmp_path / "parts", 12, SMALL)
        assert content(tmp_path / "parts") == content(tmp_path / "whole")
        assert first.stat().st_mtime_ns == modified, "what was there is kept"

    def test_folder_of_other_settings(self, tmp_path: Path) -> None:
        write_pages(tmp_path, 1, SMALL)
        with pytest.raises(DatasetError) as caught:
            write_pages(tmp_path, 1, PageSettings(width=220, height=160, max_length=5))
        assert "width: 200 there, 220 now" in caught.value.what

    @pytest.mark.parametrize("arguments", [{"count": -1}, {"count": 1, "workers": 0}, {"count": 1, "test_count": -2}])
    def test_bad_counts(self, tmp_path: Path, arguments: dict[str, int]) -> None:
        with pytest.raises(DatasetError, match="counts"):
            write_pages(tmp_path, settings=SMALL, **arguments)


class TestCommand:
    def test_writes_and_reports(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code = render_pages.main(["--output", str(tmp_path / "out"), "--count", "3", "--test_count", "2",
                                  "--width", "200", "--height", "160", "--crops", "--empty", "0"])
        printed = capsys.readouterr().out
        assert code == 0
        assert "5/5 pages" in printed
        assert "wrote 3 training and 2 test images" in printed
        assert len((tmp_path / "out" / "test.txt").read_text(encoding="utf-8").splitlines()) == 2

    def test_error_is_told_as_by_every_command(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_command(render_pages.main, ["--output", str(tmp_path), "--width", "20"]) == USER_ERROR
        assert "Error: pages of 20 x 480 pixels" in capsys.readouterr().err

    def test_defaults_are_those_of_the_settings(self) -> None:
        options = vars(render_pages.build_parser().parse_args(["--output", "x"]))
        settings = page_dataset.PageSettings()
        assert all(options[key] == getattr(settings, key) for key in options.keys() & vars(settings).keys())
        assert vars(settings).keys() <= options.keys()
