"""The average of checkpoints: arithmetic, what is refused, and what the result can be used for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.charset import Charset
from ppocr.engine.checkpoint import resume, save_checkpoint
from ppocr.engine.checkpoint_average import average_checkpoints, last_checkpoints
from ppocr.engine.checkpoint_files import load_checkpoint_meta, stored_charset
from ppocr.engine.logger import stop_logging
from ppocr.errors import CharsetError, CheckpointError, ConfigError
from ppocr.fileio import sha256
from ppocr.pretrained import read_pretrained
from ppocr.weights import read_weights, write_weights
from tests.engine.stubs import make_run
from tests.small_run import write_small_run
from tests.tiny_recognizer import exported
from tools import average_checkpoints as command
from tools import eval as evaluation
from tools.program import prepare, start_training, train


@pytest.fixture(autouse=True)
def _log_ends() -> Iterator[None]:
    yield
    stop_logging()


def write(prefix: Path, step: int | None, charset: Charset | None = None, **arrays: Any) -> Path:
    """Write weights with a state that tells the step; without one where it is None."""
    file = prefix.with_name(prefix.name + ".pdparams")
    write_weights(file, arrays)
    if step is not None:
        content = {"schema": 1, "files": {".pdparams": sha256(file)}, "charset": charset.to_dict() if charset else None,
                   "progress": {"step": step, "epoch": step, "batch": 0, "run": "r"}, "saved": 1.0,
                   "config": {"a": step}}
        prefix.with_name(prefix.name + ".state").write_text(json.dumps(content))
    return prefix


def test_floats_are_averaged_and_integers_come_from_the_last(tmp_path: Path) -> None:
    late = write(tmp_path / "late", 20, w=np.float32([1, 5]), h=np.float16([1]), n=np.int64([7]))
    early = write(tmp_path / "early", 10, w=np.float32([2, 1]), h=np.float16([2]), n=np.int64([3]))
    middle = write(tmp_path / "middle", 15, w=np.float32([6, 0]), h=np.float16([3]), n=np.int64([5]))
    average = average_checkpoints([late, early, f"{middle}.pdparams"])
    np.testing.assert_array_equal(average.arrays["w"], np.float32([3, 2]))
    np.testing.assert_array_equal(average.arrays["h"], np.float16([2]))
    np.testing.assert_array_equal(average.arrays["n"], [7])
    assert [array.dtype for array in average.arrays.values()] == [np.float32, np.float16, np.int64]
    assert [origin["step"] for origin in average.origins] == [10, 15, 20]


def test_sums_do_not_lose_small_numbers(tmp_path: Path) -> None:
    # 2**24 + 1 is no float32: summed in float32, the ones would be lost.
    values = [2.0**24, 1.0, 1.0, 2.0]
    members = [write(tmp_path / f"c{number}", number, w=np.float32([value])) for number, value in enumerate(values)]
    np.testing.assert_array_equal(average_checkpoints(members).arrays["w"], np.float32([(2.0**24 + 4) / 4]))


def test_bfloat16_is_averaged_as_numbers(tmp_path: Path) -> None:
    members = [write(tmp_path / f"c{number}", number, w=(np.float32([value]).view(np.uint32) >> 16).astype(np.uint16))
               for number, value in enumerate((1.0, 4.0))]
    array = average_checkpoints(members).arrays["w"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [2.5])


def test_names_of_one_tensor_share_an_array(tmp_path: Path) -> None:
    def shared(value: float) -> dict[str, Any]:
        array = np.full(3, value, np.float32)
        return {"cell.weight": array, "weight_ih": array, "alone": np.full(3, value, np.float32)}

    average = average_checkpoints([write(tmp_path / "a", 1, **shared(1)), write(tmp_path / "b", 2, **shared(2))])
    assert average.arrays["cell.weight"] is average.arrays["weight_ih"]
    assert average.arrays["alone"] is not average.arrays["weight_ih"]
    np.testing.assert_array_equal(average.arrays["weight_ih"], np.full(3, 1.5))


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a", 1, Charset.default(), w=np.zeros(2, np.float32))
    with pytest.raises(CheckpointError, match="differ in name or shape, such as w"):
        average_checkpoints([first, write(tmp_path / "b", 2, Charset.default(), w=np.zeros(3, np.float32))])
    with pytest.raises(CheckpointError, match="such as v, w"):
        average_checkpoints([first, write(tmp_path / "c", 2, Charset.default(), v=np.zeros(2, np.float32))])
    with pytest.raises(CharsetError, match="different charsets"):
        average_checkpoints([first, write(tmp_path / "d", 2, Charset(("a", "!")), w=np.zeros(2, np.float32))])
    with pytest.raises(CheckpointError, match="no weights at"):
        average_checkpoints([first, tmp_path / "none"])
    damaged = write(tmp_path / "e", 2, Charset.default(), w=np.zeros(2, np.float32))
    write_weights(tmp_path / "e.pdparams", {"w": np.ones(2, np.float32)})
    with pytest.raises(CheckpointError, match=r"not the file that e\.state was written with"):
        average_checkpoints([first, damaged])


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", "a.pdparams"]])
def test_one_checkpoint_is_no_average(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path / "a", 1, w=np.zeros(2, np.float32))
    with pytest.raises(CheckpointError, match="the average of"):
        average_checkpoints([tmp_path / name for name in names])


def test_the_result_knows_what_it_is(tmp_path: Path) -> None:
    charset = Charset.default()
    members = [write(tmp_path / f"c{step}", step, charset, w=np.float32([step])) for step in (4, 8)]
    average = average_checkpoints(members)
    file = average.write(tmp_path / "mean.pdparams")
    assert file == tmp_path / "mean.pdparams"
    np.testing.assert_array_equal(read_weights(file)["w"], [6])
    meta = load_checkpoint_meta(tmp_path / "mean")
    assert meta is not None
    assert [(origin["checkpoint"], origin["step"]) for origin in meta["averaged_from"]] == \
        [(str(member), step) for member, step in zip(members, (4, 8), strict=True)]
    assert meta["config"] == {"a": 8}
    assert stored_charset(tmp_path / "mean", sha256(file)) == charset
    with pytest.raises(CheckpointError, match="one of the averaged checkpoints"):
        average.write(members[0])
    with pytest.raises(CheckpointError, match="cannot be written"):
        average.write(tmp_path / "mean.state" / "x")


def test_a_training_is_not_resumed_from_it(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for step in (1, 2):
        run.progress.step = step
        save_checkpoint(run, tmp_path / f"c{step}")
    average_checkpoints([tmp_path / "c1", tmp_path / "c2"]).write(tmp_path / "mean")
    with pytest.raises(CheckpointError, match="is an average of checkpoints, which has no training to go on with"):
        resume(run, tmp_path / "mean")


def test_the_last_checkpoints_of_a_folder(tmp_path: Path) -> None:
    for name, step in (("iter_epoch_5", 5), ("iter_epoch_15", 15), ("iter_epoch_10", 10), ("latest", 17),
                       ("previous", 16), ("best_accuracy", 12), ("twin", 15)):
        write(tmp_path / name, step, w=np.float32([step]))
    average_checkpoints([tmp_path / "latest", tmp_path / "previous"]).write(tmp_path / "mean")
    write(tmp_path / "published", None, w=np.float32([1]))
    found = [path.name for path in last_checkpoints(tmp_path, 2)]
    assert found[0] == "iter_epoch_10"
    assert found[1] in ("iter_epoch_15", "twin")
    with pytest.raises(CheckpointError, match=r"4 checkpoints are to be averaged, there are 3 numbered ones \(iter"):
        last_checkpoints(tmp_path, 4)
    with pytest.raises(CheckpointError, match="1 checkpoints are to be averaged"):
        last_checkpoints(tmp_path, 1)
    with pytest.raises(CheckpointError, match="there are 0"):
        last_checkpoints(tmp_path / "nothing", 2)


def test_a_fine_tuned_model_and_the_exported_one_that_it_began_as(tmp_path: Path) -> None:
    published = read_pretrained(exported())
    assert published.charset is not None
    arrays = {name: array + 2 if array.dtype == np.float32 else array for name, array in published.weights.items()}
    tuned = write(tmp_path / "tuned", 3, published.charset, **arrays)
    average = average_checkpoints([tuned, exported()])
    assert average.arrays.keys() == published.weights.keys()
    for name, array in average.arrays.items():
        if array.dtype == np.float32:
            np.testing.assert_allclose(array, published.weights[name] + 1, rtol=1e-6, atol=1e-6)
    assert [origin["step"] for origin in average.origins] == [None, 3]
    average.write(tmp_path / "average")
    stored = stored_charset(tmp_path / "average")
    assert stored is not None
    assert stored.symbols == published.charset.symbols
    other = write(tmp_path / "other", 3, Charset(tuple("xyz")), **arrays)
    with pytest.raises(CharsetError, match="different charsets"):
        average_checkpoints([other, exported()])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three epochs; its configuration."""
    config = write_small_run(tmp_path_factory.mktemp("average"), count=24, test_count=6)
    prepared, device = prepare(str(config), ["Global.epoch_num=3", "Global.save_epoch_step=1"], name="train")
    train(start_training(prepared, device))
    return config


class TestCommand:
    def test_the_average_is_evaluated_as_any_weights(self, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = trained.parent / "output"
        assert command.main([str(folder), "--last", "2", "--output", str(folder / "mean")]) == 0
        out = capsys.readouterr().out
        assert "average of iter_epoch_2 (step 6), iter_epoch_3 (step 9)" in out
        assert "WARNING: " in out
        assert "--recalibrate" in out
        figures = trained.parent / "figures.json"
        assert evaluation.main(["-c", str(trained), "-o", f"Global.pretrained_model={folder / 'mean'}",
                                "--json", str(figures)]) == 0
        assert "acc" in json.loads(figures.read_text())

    def test_recalibrated_statistics_and_averaged_weights(
        self, trained: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = trained.parent / "output"
        members = [str(folder / "iter_epoch_1"), str(folder / "iter_epoch_3")]
        command.main([*members, "--output", str(folder / "plain")])
        command.main([*members, "--output", str(folder / "fresh"), "--recalibrate", "2"])
        assert "gathered from 2 batches" in capsys.readouterr().out
        plain, fresh = read_weights(folder / "plain"), read_weights(folder / "fresh")
        changed = {name for name in plain if not np.array_equal(plain[name], fresh[name])}
        assert changed == {name for name in plain if name.endswith(("_mean", "_variance"))} != set()
        meta = load_checkpoint_meta(folder / "fresh")
        assert meta is not None
        assert meta["recalibrated"] == 2

    def test_frozen_layers_keep_their_statistics(self, trained: Path) -> None:
        folder = trained.parent / "output"
        members = [str(folder / "iter_epoch_1"), str(folder / "iter_epoch_3")]
        command.main([*members, "--output", str(folder / "plain")])
        command.main([*members, "--output", str(folder / "held"), "--recalibrate", "1",
                      "-o", "Global.freeze=backbone.*"])
        plain, held = read_weights(folder / "plain"), read_weights(folder / "held")
        assert all(np.array_equal(plain[name], held[name]) for name in plain)

    def test_wrong_arguments(self, trained: Path) -> None:
        folder = str(trained.parent / "output")
        with pytest.raises(ConfigError, match="--last is given with 2 paths"):
            command.main([folder, folder, "--last", "2", "--output", "x"])
        with pytest.raises(ConfigError, match="--recalibrate is -1"):
            command.main([folder, "--last", "2", "--output", "x", "--recalibrate", "-1"])
