"""When evaluation, checkpoints and log lines come, and what they hold."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from ppocr.charset import Charset
from ppocr.config import load_config
from ppocr.data.report import BadSampleReport
from ppocr.data.sample import Failure, Remark, SampleInfo
from ppocr.engine.bad_samples import BadSampleLog
from ppocr.engine.checkpoint import (
    check_charset,
    load_checkpoint_meta,
    named_weights,
    resume,
    save_checkpoint,
)
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.console import EvaluationLog, ProgressLog, clock, format_metrics
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import CharsetError, CheckpointError, ConfigError
from tests.engine.stubs import config_for, make_run
from tools.program import train


class Record(Hook):
    def __init__(self) -> None:
        self.evaluations: list[tuple[int, int]] = []

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        self.evaluations.append((run.progress.epoch, run.progress.step))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [(1, 5), (2, 10), (3, 15)]),
        (["Global.eval_batch_epoch=2"], [(2, 10), (3, 15)]),
        (["Global.eval_batch_step=4"], [(0, 4), (1, 8), (2, 12), (3, 15)]),
        (["Global.eval_batch_step=[6, 5]"], [(2, 11), (3, 15)]),
        (["Global.eval_batch_step=5"], [(0, 5), (1, 10), (2, 15)]),
    ],
)
def test_evaluation_comes_when_it_is_due(tmp_path: Path, options: list[str], expected: list[tuple[int, int]]) -> None:
    record = Record()
    config = config_for(tmp_path, *options)
    run = make_run(tmp_path, *options, "Global.epoch_num=3",
                   hooks=[record, PeriodicEvaluation.from_options(config["Global"])])
    train(run)
    assert record.evaluations == expected


@pytest.mark.parametrize(
    "option", ["Global.eval_batch_step=0", "Global.eval_batch_step=[1]", "Global.eval_batch_epoch=0"]
)
def test_senseless_intervals_are_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match="Global.eval_batch"):
        PeriodicEvaluation.from_options(config_for(tmp_path, option)["Global"])


def test_best_and_latest_and_numbered_checkpoints(tmp_path: Path) -> None:
    scores = iter([{"acc": 0.2}, {"acc": 0.6}, {"acc": 0.4}, {"acc": 0.6}])
    folder = tmp_path / "output"
    run = make_run(tmp_path, "Global.epoch_num=4", metrics=scores,
                   hooks=[PeriodicEvaluation(), Checkpointing(folder, every=3)])
    train(run)
    assert {path.name for path in folder.iterdir()} == {
        f"{stem}{suffix}" for stem in ("best_accuracy", "latest", "previous", "iter_epoch_3")
        for suffix in (".pdparams", ".pdopt", ".state")}
    best = load_checkpoint_meta(folder / "best_accuracy")
    assert best is not None
    assert best["metrics"] == {"acc": 0.6}
    assert best["progress"]["epoch"] == 2
    assert run.progress.best == {"acc": 0.6, "epoch": 2.0, "step": 10.0}


def test_the_best_metric_survives_a_resume(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    hooks: list[Hook] = [PeriodicEvaluation(), Checkpointing(folder, every=0)]
    train(make_run(tmp_path, "Global.epoch_num=1", metrics=iter([{"acc": 0.9}]), hooks=hooks))
    run = make_run(tmp_path, "Global.epoch_num=2", metrics=iter([{"acc": 0.3}]),
                   hooks=[PeriodicEvaluation(), Checkpointing(folder, every=0)])
    resume(run, folder / "latest")
    train(run)
    best = load_checkpoint_meta(folder / "best_accuracy")
    assert best is not None
    assert best["metrics"] == {"acc": 0.9}


def test_the_line_of_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "output").mkdir()
    with caplog.at_level(logging.INFO, logger="ppocr"):
        train(make_run(tmp_path, "Global.epoch_num=2", hooks=[ProgressLog(every=2, window=20)]))
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Epoch")]
    assert [line.split(", loss")[0] for line in lines] == [
        "Epoch: 1/2, Step: 2/5", "Epoch: 1/2, Step: 4/5", "Epoch: 1/2, Step: 5/5",
        "Epoch: 2/2, Step: 2/5", "Epoch: 2/2, Step: 4/5", "Epoch: 2/2, Step: 5/5"]
    assert "lr: " in lines[0]
    assert lines[-1].endswith("ETA: 0:00:00")
    records = [json.loads(line) for line in (tmp_path / "output" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [2, 4, 5, 7, 9, 10]
    assert all(record["kind"] == "train" and record["loss"] > 0 for record in records)


def test_evaluation_lines() -> None:
    assert format_metrics({"acc": 0.88, "norm_edit_dis": 0.92, "samples": 2077}) == \
        "Eval: acc:0.8800, norm_edit_dis:0.9200, samples:2077"
    assert clock(3671.9) == "1:01:11"


def test_the_log_of_evaluation_names_the_best(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "output").mkdir()
    with caplog.at_level(logging.INFO, logger="ppocr"):
        train(make_run(tmp_path, "Global.epoch_num=2", metrics=iter([{"acc": 0.75}, {"acc": 0.5}]),
                       hooks=[EvaluationLog(), PeriodicEvaluation()]))
    assert "Best acc: 0.7500 (epoch 1, step 5)" in caplog.text
    assert "Eval: acc:0.5000" in caplog.text


def test_a_checkpoint_whose_files_do_not_belong_together_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    save_checkpoint(run, tmp_path / "a")
    (tmp_path / "a.pdopt").write_bytes((tmp_path / "a.pdparams").read_bytes())
    with pytest.raises(CheckpointError, match="pdopt is missing or is not the file"):
        resume(run, tmp_path / "a")
    with pytest.raises(CheckpointError, match="Global.pretrained_model"):
        resume(run, tmp_path / "none")
    with pytest.raises(CheckpointError, match=r"it is a folder, which holds .*/a"):
        resume(run, tmp_path)


def test_bad_samples_are_written_when_there_are_new_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = BadSampleReport()
    log = BadSampleLog({"bad_samples.txt": report}, tmp_path)
    run = make_run(tmp_path)
    log.after_epoch(run)
    assert not (tmp_path / "bad_samples.txt").exists()
    report.add([Failure(SampleInfo("train.txt", 7, "a.jpg", "x"), "missing image", "no file a.jpg")])
    log.after_epoch(run)
    log.after_epoch(run)
    assert caplog.text.count("1 bad sample: 1 missing image") == 1
    assert "train.txt:7" in (tmp_path / "bad_samples.txt").read_text()


def test_samples_that_are_only_in_part_bad_are_told_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = BadSampleReport()
    log = BadSampleLog({"bad_samples.txt": report}, tmp_path)
    run = make_run(tmp_path)
    report.add_remarks([Remark(SampleInfo("train.txt", 7, "a.jpg", "x"), "region 2: zero area, left out")])
    for _ in range(2):
        report.events["bad polygons, left out"] += 1
        log.after_epoch(run)
    assert caplog.text.count("1 partly bad sample, used all the same; bad polygons, left out: 1; all of them") == 1
    assert "train.txt:7 (a.jpg): region 2: zero area" in (tmp_path / "bad_samples.txt").read_text()


def test_a_checkpoint_of_another_optimizer_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, "Global.epoch_num=1")
    train(run)
    save_checkpoint(run, tmp_path / "a")
    with pytest.raises(CheckpointError, match="the checkpoint is of Adam, the configuration has Momentum"):
        resume(make_run(tmp_path, "Optimizer.name=Momentum"), tmp_path / "a")


def test_a_checkpoint_of_another_charset_is_refused(tmp_path: Path) -> None:
    save_checkpoint(make_run(tmp_path), tmp_path / "a")
    check_charset(tmp_path / "a.pdparams", Charset.default())
    with pytest.raises(CharsetError, match=r"36 characters.*has 2.*only in the configuration: '!'"):
        check_charset(tmp_path / "a", Charset(("a", "!")))
    with pytest.raises(CharsetError, match="another order"):
        check_charset(tmp_path / "a", Charset(Charset.default().symbols[::-1]))


@pytest.mark.parametrize(
    ("in_file", "options", "environ", "expected"),
    [
        ("", [], {}, None),
        ("pretrained_model: p", [], {}, ("pretrained_model", "p")),
        ("checkpoints: c, pretrained_model: p", [], {}, ("checkpoints", "c")),
        ("checkpoints: c", ["Global.pretrained_model=p"], {}, ("pretrained_model", "p")),
        ("checkpoints: c", [], {"PPOCR__Global__pretrained_model": "p"}, ("pretrained_model", "p")),
        ("", ["Global.pretrained_model=p"], {"PPOCR__Global__checkpoints": "c"}, ("pretrained_model", "p")),
        ("pretrained_model: p", ["Global.checkpoints=c"], {}, ("checkpoints", "c")),
    ],
)
def test_the_weights_that_were_named_last_count(
    tmp_path: Path, in_file: str, options: list[str], environ: dict[str, str], expected: tuple[str, str] | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "a.yml"
    file.write_text(f"Architecture: {{model_type: rec}}\nGlobal: {{{in_file}}}\n")
    with caplog.at_level(logging.INFO, logger="ppocr"):
        assert named_weights(load_config(file, options, environ)["Global"]) == expected
    both = len([*options, *environ, *filter(None, in_file.split(", "))]) == 2
    assert ("is not read" in caplog.text) == both


def test_a_finished_run_says_that_nothing_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path, "Global.epoch_num=2")
    run.progress.epoch = 2
    train(run)
    assert "Nothing is left to train: 2 epochs are done and Global.epoch_num is 2" in caplog.text
    assert "finished" not in caplog.text


def test_the_log_tells_where_a_run_stopped_and_how_to_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Stop(Hook):
        def after_step(self, run: TrainingRun) -> None:
            if run.progress.step in (2, 7):
                raise KeyboardInterrupt

    folder = tmp_path / "output"
    run = make_run(tmp_path, hooks=[Stop(), Checkpointing(folder, every=0)])
    with pytest.raises(KeyboardInterrupt):
        train(run)
    assert "Stopped after batch 2 of 5 in epoch 1 (KeyboardInterrupt); no checkpoint was written yet" in caplog.text
    with pytest.raises(KeyboardInterrupt):
        train(run)
    assert "Stopped after batch 2 of 5 in epoch 2" in caplog.text
    assert f"continue with -o Global.checkpoints={folder / 'latest'} (epoch 1, batch 0)" in caplog.text


def test_the_logged_rate_is_that_of_the_batch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "output").mkdir()
    with caplog.at_level(logging.INFO, logger="ppocr"):
        train(make_run(tmp_path, "Global.epoch_num=1", "Optimizer.lr={name: Linear, learning_rate: 0.5}",
                       hooks=[ProgressLog(every=1, window=1)]))
    rates = [record.getMessage().split("lr: ")[1].split(",")[0] for record in caplog.records
             if "lr: " in record.getMessage()]
    assert rates == ["0.5", "0.4", "0.3", "0.2", "0.1"]


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_a_resume_from_any_batch_of_accumulated_steps_does_not_warn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stop: int
) -> None:
    class Stop(Hook):
        def after_step(self, run: TrainingRun) -> None:
            if (run.progress.epoch, run.progress.batch) == (1, stop):
                save_checkpoint(run, tmp_path / "a")
                raise KeyboardInterrupt

    options = ["Global.epoch_num=2", "Global.accumulation_steps=2"]
    with pytest.raises(KeyboardInterrupt):
        train(make_run(tmp_path, *options, hooks=[Stop()]))
    resume(make_run(tmp_path, *options), tmp_path / "a")
    assert "stands at" not in caplog.text


@pytest.mark.parametrize(("batches", "warns"), [(5, False), (3, True)])
def test_a_resume_with_other_steps_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, batches: int, warns: bool
) -> None:
    first = make_run(tmp_path, "Global.epoch_num=2", batches=5)
    train(first)
    save_checkpoint(first, tmp_path / "a")
    resume(make_run(tmp_path, "Global.epoch_num=3", batches=batches), tmp_path / "a")
    assert ("stands at step 10 of its schedule; this run stands at 6" in caplog.text) == warns
