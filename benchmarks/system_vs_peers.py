"""Read photos with the same published models through this toolkit and through others, and compare box by box.

PP-OCRv4's detector and recognizer (and the direction classifier, if asked) read every photo here, with PaddleOCR 2.10.0
and with RapidOCR 1.4.4, each in a process of its own, the peers in environments of their own
(benchmarks/peers/setup_paddleocr_2.sh and setup_rapidocr.sh make them). Photo by photo the regions, their texts and the
lines that are given are matched one to one; for each difference the first stage whose results differ is named.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import numpy as np
import yaml
from matching import Agreement, Difference, Reading, compare_lines, compare_regions
from side import Side

from ppocr.commands import run_command
from ppocr.cv import cv2
from ppocr.errors import DependencyError
from ppocr.metrics.end_to_end import EndToEndMetric
from ppocr.regions import Region, parse_regions
from ppocr.results import Detection

HERE = Path(__file__).resolve().parent

Arguments = dict[str, Any]

AS_PUBLISHED: Arguments = {"det_whole_pixels": True, "rec_shared_width": True}
"""What makes our system round, crop and batch as the predictors that are compared do."""

THRESHOLD = 0.3
"""Probability above which both peers take a pixel for text."""

RAPIDOCR_DETECTION = {
    "Global": {"model_name": "PP-OCRv4_mobile_det"},
    "PreProcess": {"transform_ops": [
        {"DetResizeForTest": {"limit_side_len": 736, "limit_type": "min"}},
        {"NormalizeImage": {"scale": "1./255.", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "order": "hwc"}},
        {"ToCHWImage": None},
    ]},
    "PostProcess": {"name": "DBPostProcess", "thresh": THRESHOLD, "box_thresh": 0.5, "max_candidates": 1000,
                    "unclip_ratio": 1.6, "use_dilation": True},
}
"""RapidOCR's own settings (its config.yaml), as the inference.yml of a detector."""


@dataclass(frozen=True)
class Case:
    """A peer with its settings, and ours that are compared with it.

    Attributes:
        title: For the table.
        peer: ``"paddleocr"`` or ``"rapidocr"``.
        arguments: What the peer is opened with.
        ours: For each variant of our system its name and what it is opened with.
    """

    title: str
    peer: str
    arguments: Arguments
    ours: Mapping[str, Arguments]


@dataclass
class Result:
    """How a variant of our system compares with the peer over all photos.

    Attributes:
        regions: All regions that were found.
        lines: Those that the systems give, whose score is high enough.
        differences: Each with its photo.
        map_difference: Largest difference of two maps of a photo.
        labels: The score of each side against the labels.
        seconds: For each side, of each photo, on the clock and of processor time.
    """

    regions: Agreement = field(default_factory=Agreement)
    lines: Agreement = field(default_factory=Agreement)
    differences: list[tuple[str, Difference]] = field(default_factory=list)
    map_difference: float = 0.0
    labels: tuple[EndToEndMetric, EndToEndMetric] = field(
        default_factory=lambda: (EndToEndMetric(ignore_case=True), EndToEndMetric(ignore_case=True)))
    seconds: tuple[list[list[float]], list[list[float]]] = field(default_factory=lambda: ([], []))

    def add(self, photo: Photo, ours: tuple[Any, Any], peer: tuple[Any, Any]) -> None:
        """Count a photo; `ours` and `peer` are the answers of the sides."""
        readings = [Reading.of(*answer, photo.size) for answer in (ours, peer)]
        regions, differences = compare_regions(*readings, THRESHOLD)
        self.regions += regions
        self.lines += compare_lines(ours[0]["lines"], peer[0]["lines"])
        self.differences += [(photo.path.name, difference) for difference in differences]
        maps = [reading.probability for reading in readings]
        if maps[0].shape == maps[1].shape:
            self.map_difference = max(self.map_difference, float(np.abs(maps[0] - maps[1]).max()))
        for metric, seconds, (answer, _) in zip(self.labels, self.seconds, (ours, peer), strict=True):
            boxes = [np.asarray(line["box"], np.float32) for line in answer["lines"]]
            metric.update(Detection(tuple(boxes), np.ones(len(boxes), np.float32)),
                          [line["text"] for line in answer["lines"]], photo.regions)
            seconds.append(answer["seconds"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        sides = ("ours", "peer")
        return {
            "regions": asdict(self.regions), "lines": asdict(self.lines), "map_difference": self.map_difference,
            "differences": [{"photo": photo, **asdict(difference)} for photo, difference in self.differences],
            "labels": {side: metric.compute() for side, metric in zip(sides, self.labels, strict=True)},
            "seconds": {side: dict(zip(("clock", "processor"), np.mean(seconds, axis=0).tolist(), strict=True))
                        for side, seconds in zip(sides, self.seconds, strict=True)},
        }


@dataclass(frozen=True)
class Photo:
    """A photo and what stands on it.

    Attributes:
        path: The file.
        size: Width and height.
        regions: The labelled words.
    """

    path: Path
    size: tuple[int, int]
    regions: list[Region]


def photos(labels: Path, data_dir: Path, count: int) -> Iterator[Photo]:
    """Yield the photos of a label file of detection, at most `count` of them if that is not 0."""
    lines = labels.read_text(encoding="utf-8").splitlines()
    for line in lines[:count or None]:
        name, label = line.split("\t", 1)
        path = (data_dir / name).resolve()
        picture = cv2.imread(str(path))
        if picture is None:
            raise DependencyError(f"{path} is no picture", expected="the photos that the labels name",
                                  cure="correct --labels or --data_dir")
        yield Photo(path, (picture.shape[1], picture.shape[0]), parse_regions(label))


def cases(models: Path, folder: Path) -> dict[str, Case]:
    """Return what can be compared.

    Args:
        models: The folder that setup_rapidocr.sh filled.
        folder: For folders of models with other settings.
    """
    own = {"rec_char_dict_path": str(models / "ppocr_keys_v1.txt"), "rec_image_shape": "3,48,320", "cpu_threads": 1,
           "enable_mkldnn": False, "drop_score": 0.5, "rec_batch_num": 6, "use_angle_cls": False}
    paddle = own | {"det_model_dir": str(models / "det"), "rec_model_dir": str(models / "rec"), "backend": "paddle"}
    rapid = paddle | {"det_model_dir": str(with_description(models / "det", folder / "det", RAPIDOCR_DETECTION))}
    onnx = rapid | {"det_model_dir": str(with_description(models / "det_onnx", folder / "onnx", RAPIDOCR_DETECTION)),
                    "rec_model_dir": str(models / "rec_onnx"), "backend": "onnxruntime"}
    classifier = {"use_angle_cls": True, "cls_model_dir": str(models / "cls")}
    # It wants the classifier's folder even where it is not used, and takes no backend.
    published = {key: value for key, value in (paddle | classifier).items() if key != "backend"}
    published["use_angle_cls"] = False
    one_dnn = {"enable_mkldnn": True}
    plain: Arguments = {"use_angle_cls": False, "cpu_threads": 1}
    return {
        "paddleocr": Case("PaddleOCR 2.10.0", "paddleocr", published,
                          {"as published": paddle | AS_PUBLISHED, "default": paddle}),
        "paddleocr_onednn": Case("PaddleOCR 2.10.0, oneDNN on both sides", "paddleocr", published | one_dnn,
                                 {"as published": paddle | AS_PUBLISHED | one_dnn}),
        "paddleocr_cls": Case("PaddleOCR 2.10.0 with the direction classifier", "paddleocr", published | classifier,
                              {"as published": paddle | AS_PUBLISHED | classifier}),
        "rapidocr": Case("RapidOCR 1.4.4 (ONNX Runtime)", "rapidocr", plain,
                         {"Paddle, as published": rapid | AS_PUBLISHED, "ONNX, as published": onnx | AS_PUBLISHED,
                          "Paddle, default": rapid}),
        "rapidocr_cls": Case("RapidOCR 1.4.4 with the direction classifier", "rapidocr",
                             plain | {"use_angle_cls": True},
                             {"Paddle, as published": rapid | AS_PUBLISHED | classifier}),
    }


def with_description(model: Path, folder: Path, description: Mapping[str, Any]) -> Path:
    """Return a folder with the files of a model and another inference.yml."""
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).symlink_to(file.resolve())
    (folder / "inference.yml").write_text(yaml.safe_dump(dict(description)), encoding="utf-8")
    return folder


def run(case: Case, pictures: Sequence[Photo], peer_python: Path, folder: Path) -> dict[str, Any]:
    """Read all photos with the peer and with each variant of ours, and return everything, ready for JSON."""
    results = {name: Result() for name in case.ours}
    script = "paddleocr2_side.py" if case.peer == "paddleocr" else "rapidocr_side.py"
    with ExitStack() as stack:
        peer = stack.enter_context(Side(case.title, [str(peer_python), str(HERE / "peers" / script)], folder))
        ours = {name: stack.enter_context(Side(name, [sys.executable, str(HERE / "peers/our_system_side.py")], folder))
                for name in case.ours}
        peer.ask("open", arguments=case.arguments)
        for name, side in ours.items():
            side.ask("open", arguments=case.ours[name])
        versions = {"peer": peer.ask("about")[0], "ours": next(iter(ours.values())).ask("about")[0]}
        for photo in pictures:
            answer = peer.ask("read", image=str(photo.path))
            for name, side in ours.items():
                results[name].add(photo, side.ask("read", image=str(photo.path)), answer)
    return {"title": case.title, **versions, "photos": len(pictures),
            "variants": {name: result.to_dict() for name, result in results.items()}}


def show(result: Mapping[str, Any], most: int) -> None:
    """Print a table of a case, and its differences, at most so many of each variant."""
    print(f"\n{result['title']}, {result['photos']} photos")
    print(f"  {'':32}{'ours':>6}{'peer':>6}{'within 1 px':>16}{'equal':>7}{'same text':>16}")
    for name, variant in result["variants"].items():
        for what in ("regions", "lines"):
            found = variant[what]
            near, same = (f"{found[key]} ({100 * found[key] / max(found['everything'], 1):.1f} %)"
                          for key in ("near", "same_text"))
            print(f"  {f'{name}: {what}':32}{found['ours']:6}{found['peer']:6}{near:>16}{found['equal']:7}{same:>16}")
    print(f"  {'against the labels, hmean':32}{'found':>8}{'read':>8}   seconds a photo: clock, processor")
    peer = next(iter(result["variants"].values()))
    for name, values, side in [("peer", peer, "peer"), *((name, variant, "ours")
                                                         for name, variant in result["variants"].items())]:
        labels, seconds = values["labels"][side], values["seconds"][side]
        print(f"  {name:32}{labels['found']:8.4f}{labels['hmean']:8.4f}{seconds['clock']:16.2f}"
              f"{seconds['processor']:8.2f}")
    for name, variant in result["variants"].items():
        stages = [f"{entry['kind']} by {entry['stage']}" for entry in variant["differences"]]
        counted = ", ".join(f"{stages.count(stage)} {stage}" for stage in sorted(set(stages)))
        print(f"  {name}: maps differ by up to {variant['map_difference']:.1g}; differences: {counted or 'none'}")
        for entry in variant["differences"][:most]:
            print(f"    {entry['photo']}: {entry['kind']} {entry['ours']!r} | {entry['peer']!r}: {entry['cause']}")


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, and print tables; write everything as JSON if asked."""
    options = parse(argv)
    peers = {"paddleocr": Path(options.paddleocr), "rapidocr": Path(options.rapidocr)}
    scripts = {"paddleocr": "setup_paddleocr_2.sh", "rapidocr": "setup_rapidocr.sh"}
    for name, folder in peers.items():
        if not (folder / "env/bin/python").exists() or (name == "rapidocr" and not (folder / "models").is_dir()):
            raise DependencyError(f"{folder} is not an environment of {name}", expected="a folder with env/" + (
                " and models/" if name == "rapidocr" else ""),
                cure=f"make it with benchmarks/peers/{scripts[name]} {folder}")
    labels = Path(options.labels)
    pictures = list(photos(labels, Path(options.data_dir or labels.parent), options.photos))
    results = {}
    with tempfile.TemporaryDirectory() as name:
        chosen = cases(peers["rapidocr"].resolve() / "models", Path(name))
        for key in options.only or chosen:
            case = chosen[key]
            results[key] = run(case, pictures, peers[case.peer] / "env/bin/python", Path(name))
            show(results[key], options.differences)
            if options.json:
                Path(options.json).write_text(json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paddleocr", required=True, help="folder that setup_paddleocr_2.sh made")
    parser.add_argument("--rapidocr", required=True, help="folder that setup_rapidocr.sh made; the models are in it")
    parser.add_argument("--labels", required=True, help="label file of detection (image<TAB>JSON), such as ICDAR 2015")
    parser.add_argument("--data_dir", help="folder that its image paths start from; default: the label file's")
    parser.add_argument("--photos", type=int, default=0, help="only the first so many; default: all")
    parser.add_argument("--only", nargs="+", default=[], choices=("paddleocr", "paddleocr_onednn", "paddleocr_cls",
                        "rapidocr", "rapidocr_cls"), help="what to compare; default: all")
    parser.add_argument("--differences", type=int, default=20, help="differences that are printed of each comparison")
    parser.add_argument("--json", metavar="FILE", help="write everything, all differences among it")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
