"""Components from outside the package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ppocr.errors import ConfigError
from ppocr.plugins import import_plugins, moved_plugins


@pytest.fixture(autouse=True)
def restored_modules() -> object:
    before = set(sys.modules)
    yield None
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_file_is_relative_to_the_configuration_and_imported_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'log')!r}, 'a').write('x')\n")
    import_plugins(["mine.py"], tmp_path)
    import_plugins(["mine.py", str(tmp_path / "mine.py")], tmp_path)
    assert (tmp_path / "log").read_text() == "x"


def test_equal_file_names_are_different_plugins(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"open({str(tmp_path / folder / 'log')!r}, 'w').write('x')\n")
    import_plugins(["a/mine.py", "b/mine.py"], tmp_path)
    assert (tmp_path / "a" / "log").exists()
    assert (tmp_path / "b" / "log").exists()


def test_module_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin_by_name.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_plugins(["plugin_by_name"], "elsewhere")
    assert sys.modules["plugin_by_name"].VALUE == 1


def test_a_moved_configuration_means_the_same_plugins(tmp_path: Path) -> None:
    (tmp_path / "cfg").mkdir()
    for name in ("mine.py", "beside.py"):
        (tmp_path / "cfg" / name).write_text("")
    absolute = str(tmp_path / "other.py")
    moved = moved_plugins(["mine.py", "beside", "json", absolute], tmp_path / "cfg", tmp_path / "output" / "run")
    assert moved == ["../../cfg/mine.py", "../../cfg/beside.py", "json", "../../other.py"]


def test_none_means_none() -> None:
    import_plugins(None, ".")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        import_plugins(["nothing.py"], tmp_path)
    assert str(tmp_path / "nothing.py") in caught.value.what


def test_missing_module_is_named() -> None:
    with pytest.raises(ConfigError, match=r"importing 'no_such_plugin' failed: ModuleNotFoundError"):
        import_plugins(["no_such_plugin"], ".")


def test_failing_file_keeps_its_cause_and_can_be_mended(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match="ZeroDivisionError") as caught:
        import_plugins(["mine.py"], tmp_path)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    (tmp_path / "mine.py").write_text("VALUE = 12345\n")
    import_plugins(["mine.py"], tmp_path)
