from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.reading_order import reading_order, text_rows

Box = Any


def box(x: float, y: float, width: float, height: float = 20) -> Box:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def turned(boxes: list[Box], degrees: float) -> list[Box]:
    """Turn boxes clockwise around the point (500, 500)."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [((points - 500) @ turn + 500).astype(np.float32) for points in boxes]


def words(rng: np.random.Generator, left: float, right: float, top: float, lines: int = 12) -> list[Box]:
    """Lines of words between two sides, 20 high and 30 apart, in the order in which they are read."""
    boxes = []
    for line in range(lines):
        x = left
        while right - x > 100:
            width = float(rng.integers(20, 90))
            boxes.append(box(x, top + 30 * line, width))
            x += width + 7
    return boxes


def check(boxes: list[Box], seed: int = 0) -> None:
    """Assert that boxes are put into the order in which they are listed, wherever they stand in the list."""
    shuffled = np.random.default_rng(seed).permutation(len(boxes))
    order = reading_order([boxes[index] for index in shuffled])
    assert shuffled[order].tolist() == list(range(len(boxes)))


class TestRows:
    def test_nothing_and_one(self) -> None:
        assert reading_order([]).tolist() == []
        assert reading_order([]).dtype == np.int64
        assert text_rows(np.zeros((0, 4, 2), np.float32)) == []
        assert reading_order(np.array([box(3, 4, 5)])).tolist() == [0]

    def test_top_to_bottom_then_left_to_right(self) -> None:
        boxes = [box(50, 100, 80), box(150, 104, 80), box(260, 98, 80), box(40, 140, 90), box(300, 137, 60)]
        check(boxes)
        assert [row.tolist() for row in text_rows(boxes)] == [[0, 1, 2], [3, 4]]

    def test_tolerance_grows_with_the_letters(self) -> None:
        """Ten pixels more or less are a row of large letters, and two rows of small ones."""
        check([box(0, 100, 100, 40), box(120, 110, 100, 40)])
        assert len(text_rows([box(0, 100, 100, 40), box(120, 110, 100, 40)])) == 1
        check([box(120, 100, 30, 8), box(0, 110, 30, 8)])
        assert len(text_rows([box(120, 100, 30, 8), box(0, 110, 30, 8)])) == 2

    def test_half_of_the_lower_one(self) -> None:
        """A box of 20 pixels must share 10 with its neighbour."""
        assert len(text_rows([box(0, 100, 50, 40), box(60, 129, 50, 20)])) == 1
        assert len(text_rows([box(0, 100, 50, 40), box(60, 131, 50, 20)])) == 2

    def test_small_beside_large(self) -> None:
        """A dot, a large number and its small unit are one row; the line below the unit is not."""
        boxes = [box(0, 100, 60, 40), box(63, 134, 5, 6), box(70, 100, 60, 40), box(135, 118, 30, 20),
                 box(0, 150, 100, 20)]
        check(boxes)
        assert len(text_rows(boxes)) == 2

    def test_large_letters_do_not_join_the_lines_beside_them(self) -> None:
        rows = text_rows([box(0, 100, 50, 50), box(60, 100, 200), box(60, 130, 200)])
        assert [row.tolist() for row in rows] in ([[0, 1], [2]], [[1], [0, 2]])

    def test_stairs_do_not_become_one_row(self) -> None:
        """Lines of two blocks that are offset by more than half a line stay apart."""
        boxes = []
        for line in range(8):
            boxes += [box(0, 100 + 24 * line, 90), box(300, 112 + 24 * line, 90)]
        check(boxes)
        assert len(text_rows(boxes)) == 16

    @pytest.mark.parametrize("degrees", [-20, -5, -1, 2, 8, 30])
    def test_turned_page(self, degrees: float) -> None:
        check(turned(words(np.random.default_rng(1), 100, 900, 200), degrees))

    @pytest.mark.parametrize("seed", range(3))
    def test_bent_lines(self, seed: int) -> None:
        """As on a page near the binding of a book: the ends of a line are a line and a half lower than its middle."""
        boxes = []
        for line in range(10):
            for place in range(12):
                x = 100 + 70 * place
                low, high = (45 * ((side - 500) / 400) ** 2 for side in (x, x + 60))
                boxes.append(box(x, 100 + 30 * line, 60) + np.array([[0, low], [0, high], [0, high], [0, low]],
                                                                    np.float32))
        check(boxes, seed)

    def test_regions_that_overlap(self) -> None:
        """Detectors give boxes that are a little too long, and now and then one twice."""
        check([box(0, 100, 110), box(100, 100, 110), box(200, 101, 110)])
        assert len(reading_order([box(0, 100, 100)] * 3)) == 3

    def test_polygons_of_many_points(self) -> None:
        curved = np.array([[0, 100], [50, 90], [100, 100], [100, 120], [50, 110], [0, 120]], np.float32)
        check([curved, box(120, 100, 80), box(0, 150, 80)])

    def test_downward_text_belongs_to_the_row_where_it_begins(self) -> None:
        check([box(0, 100, 200), box(220, 100, 20, 200), box(0, 140, 200), box(0, 180, 200)])

    def test_page_on_its_side(self) -> None:
        """Turned by 90 degrees clockwise, its first line is the one on the right."""
        boxes = words(np.random.default_rng(2), 100, 900, 200, lines=5)
        check([np.roll(np.stack([1000 - points[:, 1], points[:, 0]], axis=1), 1, axis=0) for points in boxes])

    def test_degenerate_boxes(self) -> None:
        assert sorted(reading_order([box(5, 5, 0, 0), box(0, 0, 50, 0), box(9, 9, 0, 50)])) == [0, 1, 2]

    def test_a_thousand_words(self) -> None:
        boxes = words(np.random.default_rng(3), 50, 3000, 100, lines=25)
        assert len(boxes) > 1000
        check(boxes)


class TestColumns:
    @pytest.mark.parametrize("degrees", [0, 3, -10])
    @pytest.mark.parametrize("offset", [0, 9, 15])
    def test_running_text_is_read_column_by_column(self, degrees: float, offset: float) -> None:
        rng = np.random.default_rng(4)
        boxes = words(rng, 50, 480, 100) + words(rng, 520, 950, 100 + offset)
        check(turned(boxes, degrees))

    def test_whole_lines_as_boxes(self) -> None:
        rng = np.random.default_rng(5)
        check([box(x, 100 + 30 * line, 380 + float(rng.integers(0, 40))) for x in (50, 520) for line in range(6)])

    def test_three_columns(self) -> None:
        rng = np.random.default_rng(6)
        check([*words(rng, 50, 340, 100), *words(rng, 360, 650, 108), *words(rng, 670, 960, 116)])

    def test_headlines_end_the_columns_above_them(self) -> None:
        """A headline over both columns, columns, a short headline across the gap, columns, a line at the foot."""
        rng = np.random.default_rng(7)
        boxes = [box(50, 20, 950, 40)]
        boxes += [box(x, 100 + 30 * line, 380 + float(rng.integers(0, 40))) for x in (50, 520) for line in range(6)]
        boxes += [box(300, 300, 400, 30)]
        boxes += [box(x, 350 + 30 * line + (11 if x > 50 else 0), 380 + float(rng.integers(0, 40)))
                  for x in (50, 520) for line in range(6)]
        boxes += [box(50, 600, 800)]
        check(boxes)

    def test_columns_within_a_column(self) -> None:
        rng = np.random.default_rng(8)
        left = words(rng, 50, 700, 100)
        right = words(rng, 750, 1400, 100, lines=4) + words(rng, 750, 1060, 220, lines=4) + words(
            rng, 1090, 1400, 220, lines=4) + words(rng, 750, 1400, 340, lines=4)
        check(left + right)

    def test_empty_space_ends_columns(self) -> None:
        """What follows below an empty space is read for itself: here a table under the same gap."""
        rng = np.random.default_rng(12)
        boxes = words(rng, 50, 480, 100) + words(rng, 520, 950, 100)
        for line in range(3):
            boxes += [box(50, 540 + 30 * line, 80), box(700, 540 + 30 * line, 40)]
        check(boxes)

    def test_space_between_paragraphs_does_not(self) -> None:
        rng = np.random.default_rng(13)
        check([*words(rng, 50, 480, 100, lines=5), *words(rng, 50, 480, 280, lines=5),
               *words(rng, 520, 950, 100, lines=5), *words(rng, 520, 950, 280, lines=5)])

    def test_receipt_is_read_across(self) -> None:
        rng = np.random.default_rng(9)
        boxes = []
        for line in range(12):
            boxes += [box(50, 100 + 30 * line, float(rng.integers(100, 330))), box(500, 100 + 30 * line, 60)]
        check(boxes)

    def test_form_is_read_across(self) -> None:
        rng = np.random.default_rng(10)
        boxes = []
        for line in range(8):
            boxes += [box(50, 100 + 40 * line, float(rng.integers(60, 180))),
                      box(300, 100 + 40 * line, float(rng.integers(80, 500)))]
        check(boxes)

    def test_table_is_read_across(self) -> None:
        rng = np.random.default_rng(11)
        check([box(50 + 160 * column, 100 + 30 * line, float(rng.integers(30, 130)))
               for line in range(20) for column in range(6)])

    def test_two_lines_are_no_column(self) -> None:
        boxes = []
        for line in range(2):
            boxes += [box(50, 100 + 30 * line, 400), box(520, 100 + 30 * line, 400)]
        check(boxes)
