"""The profiler window: its options, when it opens and closes, and what it writes."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ppocr.engine.profiling import ProfilerOptions, ProfilerWindow, parse_options
from ppocr.errors import ConfigError
from tests.engine.stubs import config_for, make_run
from tools.program import train


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"start": 2, "stop": 4, "path": "p"}, ProfilerOptions(2, 4, "p")),
        ("batch_range=[10,20]; profile_path=./a.profile", ProfilerOptions(10, 20, "./a.profile")),
        (" batch_range = [1, 2];sorted_key=max;exit_on_finished=True;", ProfilerOptions(1, 2, None, "max", True)),
        ({"batch_range": [3, 5]}, ProfilerOptions(3, 5)),
        ("state=GPU; tracer_option=Default", ProfilerOptions()),
    ],
)
def test_both_forms_are_read(value: Any, expected: ProfilerOptions, caplog: pytest.LogCaptureFixture) -> None:
    assert parse_options(value, "Global.profiler_options") == expected
    assert ("state, tracer_option has no effect here" in caplog.text) == ("state" in str(value))


@pytest.mark.parametrize(
    ("value", "what"),
    [("batch_rang=[1,2]", "no profiler option 'batch_rang' .did you mean 'batch_range'"), ("10 to 20", "not key=value"),
     ({"start": 5, "stop": 5}, "the batches 5 to 5"), ("batch_range=[1]", "batch_range is"),
     ({"start": "x"}, "start: 'x' has the wrong type"), ({"sorted_key": "name"}, "sorted_key is 'name'")],
)
def test_wrong_ones_are_refused(value: Any, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        parse_options(value, "Global.profiler_options")


def test_trace_and_table_of_the_window(tmp_path: Path) -> None:
    run = make_run(tmp_path, hooks=[ProfilerWindow(ProfilerOptions(2, 5), tmp_path)], batches=4)
    train(run)
    events = json.loads((tmp_path / "profile" / "batches_2_5.json").read_text())["traceEvents"]
    steps = [event["name"].split("[")[0] for event in events
             if event.get("name", "").startswith("ProfileStep#")]
    assert steps == ["ProfileStep#0", "ProfileStep#1", "ProfileStep#2"]
    table = (tmp_path / "profile" / "batches_2_5.txt").read_text()
    assert "Operator Summary" in table
    assert "adam" in table
    assert run.stop is None


def test_the_run_can_end_with_the_window(tmp_path: Path) -> None:
    options = ProfilerOptions(0, 2, str(tmp_path / "p"), exit_on_finished=True)
    run = make_run(tmp_path, hooks=[ProfilerWindow(options, tmp_path)])
    train(run)
    assert run.progress.step == 2
    assert run.stop is not None
    assert (run.stop.interrupted, run.stop.exit_code) == (True, 0)
    assert (tmp_path / "p" / "batches_0_2.json").is_file()


@pytest.mark.parametrize(
    ("window", "told", "written"),
    [((10, 20), "only 10 batches are left to train, so that none of the batches 10 to 20 is profiled", []),
     ((8, 20), "the window ends there and not after 20", ["batches_8_10.json", "batches_8_10.txt"]),
     ((8, 10), None, ["batches_8_10.json", "batches_8_10.txt"])],
)
def test_a_window_outside_the_run_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, window: tuple[int, int], told: str | None, written: list[str]
) -> None:
    with caplog.at_level(logging.WARNING, logger="ppocr"):
        train(make_run(tmp_path, "Global.epoch_num=2", hooks=[ProfilerWindow(ProfilerOptions(*window), tmp_path)]))
    assert (told or "") in caplog.text
    assert ("Global.profiler_options" in caplog.text) == (told is not None)
    assert sorted(path.name for path in tmp_path.glob("profile/*")) == written


def test_the_configuration_decides(tmp_path: Path) -> None:
    assert ProfilerWindow.from_options(config_for(tmp_path)["Global"], 0) is None
    options = config_for(tmp_path, "Global.profiler_options=batch_range=[1,3]; profile_path=x")["Global"]
    made = ProfilerWindow.from_options(options, 0)
    assert made is not None
    assert made.options == ProfilerOptions(1, 3, "x")
    assert ProfilerWindow.from_options(options, 1) is None
    options = config_for(tmp_path, "Global.profiler_options={start: 1, stop: 3}")["Global"]
    made = ProfilerWindow.from_options(options, 0)
    assert made is not None
    assert made.folder == tmp_path / "output" / "profile"
