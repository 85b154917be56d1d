"""What two systems read on the same picture, compared one to one, and where their ways part where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NEAR = 1.0
"""Pixels that the corners of equal boxes may be apart."""

SAME_PLACE = 16.0
"""Pixels that the corners of two boxes may be apart which are taken for the same text."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What a system read on a picture.

    Attributes:
        boxes: float ``[N, 4, 2]``: every region that was found.
        texts: Text and score of each.
        crops: Picture of each, as the recognizer was given it.
        widths: How wide each became for the recognizer's network.
        network_input: Of the detector, ``[1, 3, H, W]``.
        probability: Its map, ``[1, 1, H, W]``.
        size: Width and height of the picture.
    """

    boxes: Floats
    texts: Sequence[tuple[str, float]]
    crops: Sequence[npt.NDArray[Any]]
    widths: Sequence[int]
    network_input: npt.NDArray[Any]
    probability: npt.NDArray[Any]
    size: tuple[int, int]

    @classmethod
    def of(cls, answer: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], size: tuple[int, int]) -> Reading:
        """Return the answer of a side (`reading`)."""
        boxes = arrays["boxes"].astype(np.float64)
        return cls(boxes, [(text, score) for text, score in answer["texts"]],
                   [arrays[f"crop_{number}"] for number in range(len(boxes))], answer["widths"], arrays["input"],
                   arrays["map"], size)


@dataclass(frozen=True)
class Difference:
    """A box or a text that is not the same.

    Attributes:
        kind: ``"box"`` or ``"text"``.
        ours: Our box or text; None if there is none.
        peer: The peer's.
        stage: The first stage whose result differs: ``"picture"``, ``"map"``, ``"post-processing"``, ``"crop"``,
            ``"batch"``, ``"network"``.
        cause: What differs there.
    """

    kind: str
    ours: Any
    peer: Any
    stage: str
    cause: str


@dataclass(frozen=True)
class Agreement:
    """How well two readings agree.

    Attributes:
        ours: Our regions or lines.
        peer: The peer's.
        near: Pairs whose corners are within `NEAR` of each other.
        equal: Pairs with the same corners.
        same_text: Pairs with the same text.
        everything: Pairs, and what is without a partner on either side.
    """

    ours: int = 0
    peer: int = 0
    near: int = 0
    equal: int = 0
    same_text: int = 0
    everything: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))


def corner_distance(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """Return the largest distance of two quads' corners in pixels, at whichever corner each begins."""
    return min(float(np.hypot(*(np.roll(first, shift, axis=0) - second).T).max()) for shift in range(4))


def pair_boxes(
    ours: Sequence[npt.NDArray[Any]], peer: Sequence[npt.NDArray[Any]], limit: float = SAME_PLACE
) -> list[tuple[int, int, float]]:
    """Return one-to-one pairs, nearest first: position in both lists and `corner_distance`.

    Args:
        ours: Quads.
        peer: Quads.
        limit: Largest distance of a pair.
    """
    distances = sorted((corner_distance(mine, its), place, other) for place, mine in enumerate(ours)
                       for other, its in enumerate(peer))
    pairs: list[tuple[int, int, float]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for distance, place, other in distances:
        if distance <= limit and place not in taken[0] and other not in taken[1]:
            taken[0].add(place)
            taken[1].add(other)
            pairs.append((place, other, distance))
    return pairs


def compare_regions(ours: Reading, peer: Reading, threshold: float) -> tuple[Agreement, list[Difference]]:
    """Compare all regions that were found and what was read in them.

    Args:
        ours: Our reading.
        peer: The peer's.
        threshold: Probability above which a pixel is text, to tell where maps differ in effect.
    """
    pairs = pair_boxes(list(ours.boxes), list(peer.boxes))
    differences: list[Difference] = []
    near = equal = same = 0
    for place, other, distance in pairs:
        near += distance <= NEAR
        equal += distance == 0
        same += ours.texts[place][0] == peer.texts[other][0]
        if distance > NEAR:
            differences.append(_box_difference(ours, peer, place, other, threshold))
        if ours.texts[place][0] != peer.texts[other][0]:
            differences.append(_text_difference(ours, peer, place, other, distance))
    alone = (set(range(len(ours.boxes))) - {place for place, _, _ in pairs},
             set(range(len(peer.boxes))) - {other for _, other, _ in pairs})
    differences += [_box_difference(ours, peer, place, None, threshold) for place in sorted(alone[0])]
    differences += [_box_difference(ours, peer, None, other, threshold) for other in sorted(alone[1])]
    everything = len(pairs) + sum(map(len, alone))
    return Agreement(len(ours.boxes), len(peer.boxes), near, equal, same, everything), differences


def compare_lines(ours: Sequence[Mapping[str, Any]], peer: Sequence[Mapping[str, Any]]) -> Agreement:
    """Compare the lines that systems give, each with ``box`` and ``text``."""
    pairs = pair_boxes(*([np.asarray(line["box"]) for line in lines] for lines in (ours, peer)))
    same = sum(ours[place]["text"] == peer[other]["text"] for place, other, _ in pairs)
    return Agreement(len(ours), len(peer), sum(distance <= NEAR for *_, distance in pairs),
                     sum(distance == 0 for *_, distance in pairs), same, len(ours) + len(peer) - len(pairs))


def _box_difference(ours: Reading, peer: Reading, place: int | None, other: int | None, threshold: float) -> Difference:
    """Explain a box that has no partner, or one at a distance."""
    boxes = [None if at is None else reading.boxes[at] for reading, at in ((ours, place), (peer, other))]
    shown = [None if box is None else np.round(box, 1).tolist() for box in boxes]
    stage, cause = _stage_of_box(ours, peer, [box for box in boxes if box is not None], threshold)
    return Difference("box", *shown, stage, cause)


def _stage_of_box(ours: Reading, peer: Reading, boxes: Sequence[Floats], threshold: float) -> tuple[str, str]:
    if ours.network_input.shape != peer.network_input.shape:
        return "picture", f"{ours.network_input.shape[2:]} and {peer.network_input.shape[2:]} for the network"
    apart = float(np.abs(ours.network_input - peer.network_input).max())
    if apart > 1e-4:
        return "picture", f"values for the network differ by up to {apart:.2g}"
    height, width = ours.probability.shape[2:]
    corners = np.concatenate(boxes) * (np.array([width, height]) / ours.size)
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    high = np.ceil(corners.max(axis=0)).astype(int) + 2
    maps = [reading.probability[0, 0, low[1]:high[1], low[0]:high[0]] for reading in (ours, peer)]
    flipped = int(((maps[0] > threshold) != (maps[1] > threshold)).sum())
    apart = float(np.abs(maps[0] - maps[1]).max(initial=0.0))
    if flipped:
        return "map", f"{flipped} pixels on the other side of the threshold; values differ by up to {apart:.1g}"
    return "post-processing", f"same pixels above the threshold; values differ by up to {apart:.1g}"


def _text_difference(ours: Reading, peer: Reading, place: int, other: int, distance: float) -> Difference:
    """Explain a text that differs: the first of box, crop, width and network that does."""
    (text, score), (its_text, its_score) = ours.texts[place], peer.texts[other]
    crop, its_crop = ours.crops[place], peer.crops[other]
    if distance > 0:
        stage, cause = "post-processing", f"boxes {distance:.2f} pixels apart"
    elif crop.shape != its_crop.shape:
        stage, cause = "crop", f"crops of {crop.shape[:2]} and {its_crop.shape[:2]}"
    elif (crop != its_crop).any():
        stage, cause = "crop", f"{int((crop != its_crop).any(axis=2).sum())} pixels of the crop differ"
    elif ours.widths[place] != peer.widths[other]:
        stage, cause = "batch", f"filled up to {ours.widths[place]} and {peer.widths[other]} pixels"
    else:
        stage, cause = "network", "the same input; the networks' arithmetic differs in its last digits"
    return Difference("text", text, its_text, stage, f"{cause}; scores {score:.4f} and {its_score:.4f}")
