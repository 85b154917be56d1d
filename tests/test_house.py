"""The rules of the house: what may import what, what importing may do, and how the code is written."""

from __future__ import annotations

import ast
import importlib.abc
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ppocr.errors import DependencyError
from tests.source_tree import ROOT, functions, imports, parsed, place, python_files

CODE = python_files("ppocr", "tools", "benchmarks")
PACKAGE = python_files("ppocr")

LONGEST_FUNCTION = 80
LONGEST_MODULE = 500

TOP_FLOOR = {"__main__", "cli", "docs"}
"""Modules beside the ground floor that stand above everything; nothing below imports them."""

GROUND_FLOOR = {path.stem for path in (ROOT / "ppocr").glob("*.py")} - TOP_FLOOR | {"defaults"}

MAY_IMPORT = {
    "data": set(),
    "modeling": set(),
    "losses": set(),
    "metrics": set(),
    "optimizer": set(),
    "postprocess": set(),
    "hub": {"infer", "postprocess", "data.transforms"},
    "infer": {"postprocess", "data.transforms", "data.pixels", "hub"},
    "pretrained": {"hub", "infer"},
    "engine": {"data", "modeling", "losses", "metrics", "optimizer", "postprocess", "pretrained"},
    "export": {"data", "modeling", "losses", "metrics", "optimizer", "postprocess", "engine", "infer"},
    "importing": {"data", "modeling", "postprocess", "pretrained", "engine", "infer", "export"},
}
"""What each package may import besides itself and the ground floor."""

WITHOUT_PADDLE = ("ppocr.hub", "ppocr.infer", "ppocr.pretrained", "ppocr.data.transforms", "ppocr.postprocess",
                  "ppocr.metrics")
PADDLE_ALLOWED = {"ppocr/weights.py", "ppocr/infer/paddle_backend.py"}
"""Files of paddle-free places that are about Paddle itself; they import it when they are used, not when imported."""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False,
                          timeout=300)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class TestImports:
    def test_importing_every_module_has_no_side_effects(self) -> None:
        modules = [module_name(path) for path in PACKAGE if path.stem != "__main__"]
        done = run_python(f"""
import importlib, logging, os, random, signal, socket, warnings
import numpy, paddle, yaml
from ppocr.compat import import_imgaug
import_imgaug()

def forbidden(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.socket.bind = socket.create_connection = forbidden

def state():
    loggers = [logging.getLogger(name) for name in ["", *logging.root.manager.loggerDict] if name[:5] in ("", "ppocr")]
    handlers = {{logger.name: logger.handlers for logger in loggers if logger.handlers}}
    signals = [signal.getsignal(number) for number in signal.valid_signals()]
    return {{"handlers": handlers, "level": logging.root.level, "signals": signals, "environment": dict(os.environ),
            "folder": os.getcwd(), "random": random.getstate(), "numpy": str(numpy.random.get_state()),
            "warnings": list(warnings.filters), "numpy errors": numpy.geterr(), "device": paddle.get_device(),
            "dtype": str(paddle.get_default_dtype())}}

before = state()
for name in {modules!r}:
    importlib.import_module(name)
after = state()
changed = [key for key in before if before[key] != after[key]]
assert not changed, changed
""")
        assert done.returncode == 0, done.stderr

    def test_importing_the_package_imports_nothing_heavy(self) -> None:
        done = run_python("import sys, ppocr; print([m for m in ('paddle', 'cv2', 'numpy') if m in sys.modules])")
        assert done.stdout.strip() == "[]", done.stderr

    def test_prediction_and_ground_floor_import_without_paddle(self) -> None:
        modules = [*WITHOUT_PADDLE, *(f"ppocr.{name}" for name in sorted(GROUND_FLOOR - {"__init__"}))]
        done = run_python(f"""
import importlib, sys
sys.modules["paddle"] = None  # makes every import of it fail
for name in {modules!r}:
    importlib.import_module(name)
""")
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("path", PACKAGE, ids=place)
    def test_imports_go_down_only(self, path: Path) -> None:
        parts = path.relative_to(ROOT / "ppocr").with_suffix("").parts
        if parts[0] in TOP_FLOOR:
            return
        own = parts[0] if len(parts) > 1 and parts[0] not in GROUND_FLOOR else None
        allowed = GROUND_FLOOR | ({own} | MAY_IMPORT[own] if own else set())
        wrong = [
            name for name in imports(path)
            if name.split(".")[0] == "tools" or (name.startswith("ppocr.") and not _covered(name, allowed))
        ]
        assert not wrong, f"{place(path)} imports {wrong}"

    @pytest.mark.parametrize("path", PACKAGE, ids=place)
    def test_paddle_stays_out_of_the_paddle_free_places(self, path: Path) -> None:
        name = module_name(path)
        free = (name.count(".") == 1 and path.stem != "__init__") or name.startswith(WITHOUT_PADDLE)
        if not free or place(path) in PADDLE_ALLOWED:
            return
        wrong = [imported for imported in imports(path) if imported.split(".")[0] == "paddle"]
        assert not wrong, f"{place(path)} imports {wrong}"

    @pytest.mark.parametrize("path", CODE, ids=place)
    def test_opencv_is_imported_through_the_module_that_explains_its_absence(self, path: Path) -> None:
        if place(path) != "ppocr/cv.py":
            assert not [name for name in imports(path) if name.split(".")[0] == "cv2"], "use: from ppocr.cv import cv2"


def _covered(name: str, allowed: set[str]) -> bool:
    inner = name.removeprefix("ppocr.")
    return inner == "__version__" or any(inner == entry or inner.startswith(entry + ".") for entry in allowed)


class TestMissingOpenCV:
    @pytest.mark.parametrize(
        ("message", "cure"),
        [
            ("libGL.so.1: cannot open shared object file: No such file or directory", "apt-get install -y libgl1"),
            ("libgthread-2.0.so.0: cannot open shared object file", "apt-get install -y libgl1"),
            ("No module named 'cv2'", "pip install opencv-python"),
        ],
    )
    def test_error_tells_the_cure(self, monkeypatch: pytest.MonkeyPatch, message: str, cure: str) -> None:
        class Broken(importlib.abc.MetaPathFinder):
            def find_spec(self, name: str, path: object, target: object = None) -> None:
                if name == "cv2":
                    raise ImportError(message)

        monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
        monkeypatch.delitem(sys.modules, "cv2", raising=False)
        monkeypatch.delitem(sys.modules, "ppocr.cv", raising=False)
        with pytest.raises(DependencyError) as caught:
            importlib.import_module("ppocr.cv")
        assert message in caught.value.what
        assert cure in caught.value.cure


FORBIDDEN_CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "os.system": "runs text in a shell",
    "paddle.load": "unpickles without restriction",
    "pickle.load": "unpickles without restriction",
    "pickle.loads": "unpickles without restriction",
    "yaml.load": "may construct arbitrary objects",
    "np.load": "may unpickle; use safe formats",
}


class TestCode:
    @pytest.mark.parametrize("path", CODE, ids=place)
    def test_no_dangerous_calls_and_no_swallowed_exceptions(self, path: Path) -> None:
        problems = []
        for node in ast.walk(parsed(path)):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            # Unpickling what was pickled in the same expression is a copy, not a file of a stranger.
            if name in FORBIDDEN_CALLS and not ast.unparse(node).startswith("pickle.loads(pickle.dumps("):
                problems.append(f"{place(path, node)}: {name} {FORBIDDEN_CALLS[name]}")
            if isinstance(node, ast.ExceptHandler):
                is_wide = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
                line = path.read_text(encoding="utf-8").splitlines()[node.lineno - 1]
                if is_wide and _forgets(node) and not re.search(r"# noqa: BLE001 - \w+", line):
                    problems.append(f"{place(path, node)}: an exception of any kind is swallowed")
        assert not problems

    @pytest.mark.parametrize("path", CODE, ids=place)
    def test_modules_and_functions_are_short(self, path: Path) -> None:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= LONGEST_MODULE, f"{place(path)} has {lines} lines"
        long = [
            f"{place(path, node)}: {name} has {node.end_lineno - node.lineno + 1} lines"
            for name, node in functions(path)
            if node.end_lineno is not None and node.end_lineno - node.lineno >= LONGEST_FUNCTION
        ]
        assert not long

    @pytest.mark.parametrize("path", CODE, ids=place)
    def test_public_functions_are_typed(self, path: Path) -> None:
        untyped = [
            f"{place(path, node)}: {name}"
            for name, node in functions(path)
            if not any(_is_private(part) for part in name.split(".")) and not _is_typed(node, is_method="." in name)
        ]
        assert not untyped

    @pytest.mark.parametrize("path", PACKAGE, ids=place)
    def test_no_mutable_defaults_and_no_open_constructors(self, path: Path) -> None:
        problems = []
        for name, node in functions(path):
            defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]
            if any(isinstance(default, (ast.List, ast.Dict, ast.Set)) for default in defaults):
                problems.append(f"{place(path, node)}: {name} has a mutable default")
            if name.endswith(".__init__") and node.args.kwarg:
                problems.append(f"{place(path, node)}: {name} swallows unknown arguments")
        assert not problems

    @pytest.mark.parametrize("path", CODE, ids=place)
    def test_every_module_says_what_it_is_for(self, path: Path) -> None:
        assert ast.get_docstring(parsed(path)), f"{place(path)} has no docstring"


def _forgets(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler neither raises nor looks at what it caught."""
    body = [inner for statement in handler.body for inner in ast.walk(statement)]
    looks = any(isinstance(inner, ast.Name) and inner.id == handler.name for inner in body)
    return not looks and not any(isinstance(inner, ast.Raise) for inner in body)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_typed(node: ast.FunctionDef | ast.AsyncFunctionDef, *, is_method: bool) -> bool:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    if is_method and not any(ast.unparse(entry) == "staticmethod" for entry in node.decorator_list):
        arguments = arguments[1:]
    arguments += [extra for extra in (node.args.vararg, node.args.kwarg) if extra]
    return node.returns is not None and all(argument.annotation for argument in arguments)


class TestTheseTests:
    """The checks above find what they are for."""

    @pytest.fixture
    def write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
        monkeypatch.setattr("tests.source_tree.ROOT", tmp_path)

        def write_file(code: str) -> Path:
            path = tmp_path / "ppocr" / "data" / "x.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
            return path

        return write_file

    def test_imports_are_resolved(self, write: Callable[[str], Path]) -> None:
        path = write("import a.b\nfrom c import d\nfrom . import e\nfrom ..f import g\n"
                     "if TYPE_CHECKING:\n    import h\ndef k():\n    import paddle\n")
        assert imports(path) == {"a.b", "c.d", "ppocr.data.e", "ppocr.f.g", "paddle"}

    def test_functions_are_found(self, write: Callable[[str], Path]) -> None:
        path = write("class A:\n    def f(self, x: int): ...\nif True:\n    def g(x: int) -> int: ...\n")
        found = dict(functions(path))
        assert set(found) == {"A.f", "g"}
        assert not _is_typed(found["A.f"], is_method=True)
        assert _is_typed(found["g"], is_method=False)

    def test_layers(self) -> None:
        assert _covered("ppocr.charset.Charset", {"charset"})
        assert not _covered("ppocr.charsets", {"charset"})
        assert not _covered("ppocr.data.loader.build", {"data.transforms"})
