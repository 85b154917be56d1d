"""The demo's second part: a published recognizer learns labels of parts, some of whose characters it does not know."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ._demo_published import how_to_get, is_here
from ._demo_steps import DATA, Bench, best, options

MODEL = "PP-OCRv4_mobile_rec"
CONFIG = "configs/quickstart/finetune.yml"
LABELS, EVERYDAY, DICTIONARY = DATA / "labels", DATA / "everyday", DATA / "labels.txt"
TUNED = Path("output/quickstart_finetune")
EXAMPLES = 12

NEW = "Ø½¼¾³€✓"
"""Characters of the labels that the model does not know."""

LABELS_AFTER, EVERYDAY_AFTER = "fine-tuned: labels read", "fine-tuned: everyday words read"
LEAST = {LABELS_AFTER: 0.70, EVERYDAY_AFTER: 0.85}
"""Figures below which something is wrong."""


class Reading(NamedTuple):
    """A word, and what was read before and after the fine-tuning."""

    label: str
    before: str
    after: str


def finetune(bench: Bench, count: int) -> dict[str, float]:
    """Fine-tune the published recognizer, and show what it reads before and after.

    Args:
        bench: The folder.
        count: Labels to train on, and everyday words that are mixed in.

    Returns:
        The figures of `LEAST`; none if the published model is not on this machine.
    """
    bench.say("2/3 Fine-tune a published recognizer on labels of parts")
    if not is_here(MODEL, "paddle"):
        bench.note(how_to_get([MODEL]))
        return {}
    tests = max(count // 2, 1)
    render(bench, count, tests)
    bench.run("tools/charset.py", "--model", MODEL, "--labels", str(LABELS / "train.txt"), "--output", str(DICTIONARY))
    read(bench, MODEL, "before")
    config = bench.config(CONFIG)
    bench.run("tools/train.py", "-c", config, *options(bench.options))
    bench.run("tools/export_model.py", "-c", config, *options([best(TUNED)]))
    read(bench, str(TUNED / "inference"), "after")
    labels, everyday = readings(bench).values()
    show(labels, everyday)
    return {LABELS_AFTER: share(labels, "after"), EVERYDAY_AFTER: share(everyday, "after")}


def render(bench: Bench, count: int, tests: int) -> None:
    """Render labels, none of which is in training and test alike, and everyday words."""
    texts = part_labels(10 * (count + tests), seed=7)
    parts = (("train", texts[10 * tests:], count), ("test", texts[:10 * tests], tests))
    for number, (part, words, size) in enumerate(parts):
        source = LABELS / f"{part}_texts.txt"
        bench.write(source, words)
        bench.run("tools/render_words.py", "--output", str(LABELS / part), "--words_file", str(source), "--max_length",
                  "20", "--count", str(size), "--test_count", "0", "--seed", str(number), quiet=True)
        rendered = bench.lines(LABELS / part / "train.txt")
        bench.write(LABELS / f"{part}.txt", [f"{part}/{line}" for line in rendered])
    bench.run("tools/render_words.py", "--output", str(EVERYDAY), "--count", str(count), "--test_count", str(tests),
              "--seed", "8", quiet=True)


def part_labels(count: int, seed: int) -> list[str]:
    """Return so many different labels of parts: sizes, threads, rates of flow, prices, marks and numbers."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[_label(rng)] = None
    return list(found)


def _label(rng: random.Random) -> str:
    size = f"{rng.randint(2, 99)}" if rng.random() < 0.5 else f"{rng.randint(1, 49)}.{rng.randint(1, 9)}"
    code = "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=rng.randint(2, 3))) + str(rng.randint(10, 999))
    inches = rng.choice(("", "", "1", "2")) + rng.choice("½¼¾")
    return rng.choice((
        f"Ø{size}{rng.choice(('', 'mm', 'H7', 'g6'))}",
        f"{rng.choice('GR')}{inches}-Ø{rng.randint(6, 40)}",
        f"{size}m³{rng.choice(('', '/h', '/s'))}",
        f"€{rng.randint(1, 999)}.{rng.randint(0, 99):02d}",
        f"✓{rng.choice(('QA', 'OK', 'CE'))}-{rng.randint(100, 9999)}",
        f"{code}-{inches}",
        f"{code}/{rng.randint(2, 60)}",
    ))


def read(bench: Bench, model: str, name: str) -> None:
    """Read all test words with a model."""
    words = TUNED / "words.txt"
    bench.write(words, [str(folder / line.split("\t")[0]) for folder, line in _test_lines(bench)])
    bench.run("tools/infer/predict_rec.py", "--rec_model_dir", model, "--image_dir", str(words), "--output",
              str(TUNED / f"{name}.jsonl"), "--visualize", str(TUNED / f"{name}.jpg"), quiet=True)


def readings(bench: Bench) -> dict[Path, list[Reading]]:
    """Return for each folder what was read of its test words."""
    before, after = ([str(json.loads(line).get("text", "")) for line in bench.lines(TUNED / f"{name}.jsonl")]
                     for name in ("before", "after"))
    rows: dict[Path, list[Reading]] = {LABELS: [], EVERYDAY: []}
    for (folder, line), *texts in zip(_test_lines(bench), before, after, strict=True):
        rows[folder].append(Reading(line.split("\t")[1], *texts))
    return rows


def share(rows: Sequence[Reading], when: Literal["before", "after"]) -> float:
    """Return which share of the words was read without a fault, before or after."""
    read_right = [row.label == (row.before if when == "before" else row.after) for row in rows]
    return sum(read_right) / max(len(rows), 1)


def show(labels: Sequence[Reading], everyday: Sequence[Reading]) -> None:
    """Print examples and shares."""
    print(f"\n{'label':18} {'before':18} after")
    for row in labels[:EXAMPLES]:
        print(f"{row.label:18} {row.before:18} {row.after}{'' if row.after == row.label else '   (wrong)'}")
    for title, rows in (("labels", labels), ("everyday words", everyday)):
        print(f"{title}: {share(rows, 'before'):.3f} read without a fault before, {share(rows, 'after'):.3f} after "
              f"({len(rows)} that training did not see)")
    print(f"Labels with what was read, drawn: {TUNED / 'before.jpg'}, {TUNED / 'after.jpg'}")


def _test_lines(bench: Bench) -> list[tuple[Path, str]]:
    return [(folder, line) for folder in (LABELS, EVERYDAY) for line in bench.lines(folder / "test.txt")]
