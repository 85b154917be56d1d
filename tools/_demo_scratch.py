"""The demo's third part: a small detector and a small recognizer from random weights to the texts of pages.

The detector learns from rendered pages, the recognizer from rendered words and from the words of the pages; together
they read pages that neither has seen.
"""

from __future__ import annotations

from pathlib import Path

from ._demo_steps import DATA, Bench, best, options

DET_CONFIG, REC_CONFIG = "configs/quickstart/det.yml", "configs/quickstart/rec.yml"
WORDS, PAGES = DATA / "words", DATA / "pages"
DET, REC, SYSTEM = (Path(f"output/quickstart_{name}") for name in ("det", "rec", "system"))
PICTURES = 6

LEAST = {"detector: hmean": 0.85, "recognizer: word accuracy": 0.75, "both: words found and read, hmean": 0.60}
"""Figures below which something is wrong."""


class FromScratch:
    """The steps.

    Args:
        bench: The folder.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        # The recognizer learns from words of two kinds, more than the configuration counts on, hence in fewer epochs.
        self.rec_data = [
            "Global.epoch_num=5",
            f"Train.dataset.data_dir={DATA}", f"Train.dataset.label_file_list=[{DATA / 'rec_train.txt'}]",
            f"Eval.dataset.data_dir={DATA}", f"Eval.dataset.label_file_list=[{DATA / 'rec_test.txt'}]",
        ]

    def run(self, pages: int, words: int, test_pages: int) -> dict[str, float]:
        """Take all steps and return the figures of `LEAST`.

        Args:
            pages: Pages to render for training.
            words: Words to render for training, besides those of the pages.
            test_pages: Pages to hold back.
        """
        self.render(pages, words, test_pages)
        self.train()
        self.evaluate()
        self.export()
        self.read()
        sources = ((DET / "eval.json", "hmean"), (REC / "eval.json", "acc"), (SYSTEM / "score.json", "hmean"))
        return {name: self.bench.figure(*source) for name, source in zip(LEAST, sources, strict=True)}

    def render(self, pages: int, words: int, test_pages: int) -> None:
        """Render the data."""
        self.bench.say("3/3 From random weights: render pages, cut out their words, and render more words")
        self.bench.run("tools/render_pages.py", "--output", str(PAGES), "--count", str(pages), "--test_count",
                       str(test_pages), "--crops", "--seed", "7")
        self.bench.run("tools/render_words.py", "--output", str(WORDS), "--count", str(words), "--test_count",
                       str(5 * test_pages), "--seed", "7")
        for part in ("train", "test"):
            sources = [f"pages/{part}_words.txt", f"words/{part}.txt"]
            self.bench.write(DATA / f"rec_{part}.txt", [f"{Path(name).parent}/{line}" for name in sources
                                                        for line in self.bench.lines(DATA / name)])

    def train(self) -> None:
        """Train both models."""
        self.bench.say("Train the detector, then the recognizer")
        self._run("tools/train.py", DET_CONFIG, self.bench.options)
        self._run("tools/train.py", REC_CONFIG, [*self.rec_data, *self.bench.options])

    def evaluate(self) -> None:
        """Evaluate both on what training did not see."""
        self.bench.say("Evaluate them on pages and words that training did not see")
        self._run("tools/eval.py", DET_CONFIG, [best(DET)], "--json", str(DET / "eval.json"))
        self._run("tools/eval.py", REC_CONFIG, [*self.rec_data, best(REC)], "--json", str(REC / "eval.json"))

    def export(self) -> None:
        """Export both models."""
        self.bench.say("Export them, and compare the exported models with the trained ones")
        self._run("tools/export_model.py", DET_CONFIG, [best(DET)])
        self._run("tools/export_model.py", REC_CONFIG, [*self.rec_data, best(REC)])

    def read(self) -> None:
        """Read all held-back pages, draw the first, and score what was read."""
        self.bench.say("Read the held-back pages with the exported models")
        pages = [str(PAGES / line.split("\t")[0]) for line in self.bench.lines(PAGES / "test.txt")]
        self.bench.write(SYSTEM / "pages.txt", pages)
        self.bench.write(SYSTEM / "pictures.txt", pages[:PICTURES])
        models = "--det_model_dir", str(DET / "inference"), "--rec_model_dir", str(REC / "inference")
        self.bench.run("tools/infer/predict_system.py", *models, "--image_dir", str(SYSTEM / "pictures.txt"),
                       "--visualize", str(SYSTEM))
        self.bench.run("tools/infer/predict_system.py", *models, "--image_dir", str(SYSTEM / "pages.txt"),
                       "--output", str(SYSTEM / "pages.jsonl"), quiet=True)
        self.bench.run("tools/score_pages.py", "--results", str(SYSTEM / "pages.jsonl"), "--label_file",
                       str(PAGES / "test.txt"), "--data_dir", str(PAGES), "--ignore_case",
                       "--json", str(SYSTEM / "score.json"))

    def _run(self, script: str, config: str, values: list[str], *more: str) -> None:
        self.bench.run(script, "-c", self.bench.config(config), *options(values), *more)
