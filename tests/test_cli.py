"""The ``ppocr`` command and ``ppocr doctor``."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from ppocr import __version__, cli, doctor
from ppocr.paths import project_folder
from tests.source_tree import ROOT, functions, parsed, place, python_files

SCRIPTS = [path for path in python_files("tools") if path.stem in {script.stem for script in cli.commands().values()}]


@pytest.fixture
def fake_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tools folder of its own: two commands, a helper, and a script that is no command."""
    folder = tmp_path / "tools"
    (folder / "infer").mkdir(parents=True)
    (folder / "export_model.py").write_text(
        '"""Freeze a model: ``python tools/export_model.py -c my.yml``.\n\nMore."""\n'
        "import sys\nfrom ._shared import STATUS\n"
        "def main(argv=None):\n    print(sys.argv[0], argv)\n    return STATUS\n"
    )
    (folder / "_shared.py").write_text("STATUS = 3\n")
    (folder / "program.py").write_text('"""The loop."""\n')
    (folder / "no_entry.py").write_text('"""Nothing to call."""\n')
    (folder / "infer" / "predict_rec.py").write_text(
        '"""Read word images."""\nfrom .._shared import STATUS\nfrom ppocr.errors import ConfigError\n'
        "def main(argv=None):\n"
        "    if argv == ['stop']:\n        raise KeyboardInterrupt\n"
        "    raise ConfigError('it is wrong', expected='right', cure='mend it')\n"
    )
    monkeypatch.setattr(cli, "project_folder", lambda name: tmp_path / name)
    # As in a checkout that is not installed: ppocr.tools is not known to Python.
    for name in [name for name in sys.modules if name.split(".")[:2] == ["ppocr", "tools"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["ppocr"])
    yield folder
    for name in [name for name in sys.modules if name.split(".")[:2] == ["ppocr", "tools"]]:
        del sys.modules[name]


class TestCommand:
    def test_help_lists_every_script_with_its_purpose(
        self, fake_tools: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["--help"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "  export       freeze a model" in lines
        assert "  predict-rec  read word images" in lines
        assert not any("program" in line or "shared" in line for line in lines)

    def test_no_command_prints_the_help_and_fails(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main([]) == 2
        assert "usage: ppocr COMMAND" in capsys.readouterr().out

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["--version"]) == 0
        assert capsys.readouterr().out == f"ppocr-toolkit {__version__}\n"

    @pytest.mark.parametrize("name", ["export", "export_model", "export-model", "export_model.py"])
    def test_script_gets_its_arguments_and_gives_the_status(
        self, fake_tools: Path, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        assert cli.main([name, "-c", "my.yml"]) == 3
        assert capsys.readouterr().out == f"ppocr {name} ['-c', 'my.yml']\n"

    def test_unknown_command_names_the_close_one(self, fake_tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["exprot"]) == 2
        error = capsys.readouterr().err
        assert "there is no command 'exprot' (did you mean 'export'?)" in error
        assert "expected: one of configs, doctor, export, no-entry, predict-rec" in error

    def test_error_of_a_script_is_told_without_traceback(
        self, fake_tools: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["predict-rec"]) == 2
        error = capsys.readouterr().err
        assert "it is wrong\n  expected: right\n  to do: mend it" in error
        assert "Traceback" not in error

    def test_interrupt(self, fake_tools: Path) -> None:
        assert cli.main(["predict-rec", "stop"]) == 130

    def test_script_without_entry(self, fake_tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["no-entry"]) == 2
        assert "has no function main" in capsys.readouterr().err

    def test_help_imports_nothing_heavy(self) -> None:
        code = "import sys; from ppocr.cli import main; main(['--help']); main(['train-']); " \
               "sys.exit(str([m for m in ('paddle', 'cv2', 'numpy', 'yaml') if m in sys.modules]))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.stderr.strip().endswith("[]"), done.stderr

    def test_runs_as_a_module(self) -> None:
        done = subprocess.run([sys.executable, "-m", "ppocr", "--version"], capture_output=True, text=True, cwd=ROOT,
                              check=True)
        assert done.stdout.startswith("ppocr-toolkit ")

    @pytest.mark.parametrize("path", SCRIPTS, ids=place)
    def test_every_script_can_be_a_command(self, path: Path) -> None:
        entry = dict(functions(path)).get("main")
        assert entry is not None, f"{place(path)} has no main(argv)"
        assert len(entry.args.args) == 1
        assert len(entry.args.defaults) == 1, "main(argv=None) reads the process's own arguments"
        assert ast.get_docstring(parsed(path))


class TestConfigs:
    def test_lists_those_that_match_all_words(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("rec/crnn.yml", "rec/svtr.yml", "det/db.yml"):
            (tmp_path / "configs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "configs" / name).touch()
        monkeypatch.setattr(cli, "project_folder", lambda name: tmp_path / name)
        assert cli.main(["configs", "rec", "svtr"]) == 0
        assert capsys.readouterr().out == f"{tmp_path}/configs/rec/svtr.yml\n"
        assert cli.main(["configs", "cls"]) == 2

    def test_help_is_no_word_to_look_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["configs", "--help"]) == 0
        assert "usage: ppocr configs" in capsys.readouterr().out


class TestProjectFolder:
    def test_checkout_has_its_tools(self) -> None:
        assert project_folder("tools") == ROOT / "tools"

    def test_neighbours_in_site_packages_are_not_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "tools").mkdir()
        (tmp_path / "ppocr").mkdir()
        monkeypatch.setattr("ppocr.paths.PACKAGE", tmp_path / "ppocr")
        assert project_folder("tools") is None
        (tmp_path / "ppocr" / "tools").mkdir()
        assert project_folder("tools") == tmp_path / "ppocr" / "tools"


Usage = namedtuple("Usage", "total used free")


class TestDoctor:
    @pytest.mark.parametrize(
        ("version", "state"), [((3, 9), "problem"), ((3, 10), "ok"), ((3, 12), "ok"), ((3, 13), "problem")]
    )
    def test_python(self, version: tuple[int, int], state: str) -> None:
        finding = doctor.check_python(version)
        assert finding.state == state
        assert bool(finding.cure) == (state == "problem")

    @pytest.mark.parametrize(("free", "state"), [(64 << 20, "note"), (8 << 30, "ok")])
    def test_shared_memory(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(1 << 40, 0, free))
        finding = doctor.check_shared_memory(tmp_path)
        assert finding.state == state
        assert finding.value.startswith(f"{free / 2**30:.1f} GB free")
        assert ("--shm-size" in finding.cure) == (state == "note")

    def test_no_shared_memory_on_this_system(self, tmp_path: Path) -> None:
        assert doctor.check_shared_memory(tmp_path / "shm").state == "ok"

    def test_processors_name_the_thread_setting(self) -> None:
        assert "OMP_NUM_THREADS=3" in doctor.check_processors({"OMP_NUM_THREADS": "3"}).value
        assert "OMP_NUM_THREADS not set" in doctor.check_processors({}).value

    def test_installed_package(self) -> None:
        finding = doctor.check_package(doctor.Package(("pytest",), "pytest"))
        assert finding == doctor.Finding("pytest", pytest.__version__)

    def test_missing_package(self) -> None:
        finding = doctor.check_package(doctor.Package(("no-such-thing",), "no_such_thing"))
        assert finding == doctor.Finding("no-such-thing", "not installed", "problem", "pip install no-such-thing")
        optional = doctor.check_package(doctor.Package(("no-such-thing",), "no_such_thing", "the moon"))
        assert (optional.state, optional.value) == ("note", "not installed, needed for the moon")

    def test_package_whose_import_fails(self) -> None:
        finding = doctor.check_package(doctor.Package(("pytest",), "no_such_thing"))
        assert finding.state == "problem"
        assert "but the import fails: ModuleNotFoundError" in finding.value
        library = "raise ImportError('libGL.so.1: cannot open shared object file')"
        assert "libgl1" in doctor.check_package(doctor.Package(("pytest",), "x", probe=library)).cure

    def test_two_builds_of_one_package(self) -> None:
        finding = doctor.check_package(doctor.Package(("pytest", "pluggy"), "pytest"))
        assert finding.state == "note"
        assert "overwrite" in finding.cure

    def test_a_crashing_import_is_survived(self) -> None:
        assert doctor.run_python("import os; os.kill(os.getpid(), 4)") == ("", "the process was ended by signal 4")
        assert doctor.run_python("import time; time.sleep(60)", timeout=0.2) == ("", "no answer within 0 s")

    def test_paddle_that_cannot_run_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "run_python", lambda code: ("", "the process was ended by signal 4"))
        finding = doctor.check_paddle()
        assert finding.state == "problem"
        assert "AVX" in finding.cure

    @pytest.mark.parametrize(
        ("facts", "driver", "state", "value"),
        [
            ({"cuda": False, "gpus": 0}, None, "ok", "3.3.1, CPU build"),
            ({"cuda": False, "gpus": 0}, "/usr/bin/nvidia-smi", "note", "although this machine has an NVIDIA driver"),
            ({"cuda": True, "gpus": 0}, None, "note", "no GPU visible"),
            ({"cuda": True, "gpus": 2}, None, "ok", "3.3.1, GPU build, 2 GPU"),
        ],
    )
    def test_paddle_builds(
        self, monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], driver: str | None, state: str, value: str
    ) -> None:
        output = "some warning\n" + json.dumps({"version": "3.3.1", **facts}) + "\n"
        monkeypatch.setattr(doctor, "run_python", lambda code: (output, ""))
        monkeypatch.setattr("shutil.which", lambda name: driver)
        finding = doctor.check_paddle()
        assert finding.state == state
        assert value in finding.value

    def test_report_and_status(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        findings = [doctor.Finding("a", "1"), doctor.Finding("bb", "none", "problem", "install it")]
        monkeypatch.setattr(doctor, "examine", lambda: findings)
        assert cli.main(["doctor"]) == 1
        assert capsys.readouterr().out.splitlines() == [
            "  a   1", "! bb  none", "      to do: install it", "", "Problems with: bb",
        ]
        monkeypatch.setattr(doctor, "examine", lambda: findings[:1])
        assert cli.main(["doctor", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == [{"name": "a", "value": "1", "state": "ok", "cure": ""}]

    def test_this_environment_is_fit(self) -> None:
        assert [finding for finding in doctor.examine() if finding.state == "problem"] == []
