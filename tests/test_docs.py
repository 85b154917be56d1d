"""The documents: the reference is up to date, and what the pages say works."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ppocr import docs
from ppocr.registry import ALL_REGISTRIES, Registry
from tests.source_tree import ROOT
from tools import gen_docs

Run = Callable[[str], "subprocess.CompletedProcess[str]"]

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md"),
                *(ROOT / "benchmarks").glob("*.md")])


class TestReference:
    def test_is_up_to_date(self) -> None:
        assert gen_docs.main(["--check"]) == 0, "run: make docs"

    def test_check_finds_a_stale_file_and_writing_cures_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "reference.md"
        assert gen_docs.main(["--check", "--output", str(path)]) == 1
        assert gen_docs.main(["--output", str(path)]) == 0
        assert gen_docs.main(["--check", "--output", str(path)]) == 0
        path.write_text(path.read_text() + "x")
        assert gen_docs.main(["--check", "--output", str(path)]) == 1
        assert "is stale: run make docs" in capsys.readouterr().err

    def test_holds_no_memory_address_and_no_local_path(self) -> None:
        text = docs.config_reference()
        assert not re.search(r"0x[0-9a-f]{6}", text)
        assert str(ROOT) not in text

    def test_supplied_arguments_name_existing_kinds(self) -> None:
        assert set(docs.SUPPLIED) | set(docs.INTERNAL) <= {registry.kind for registry in ALL_REGISTRIES.values()}

    def test_every_argument_is_explained(self) -> None:
        docs.config_reference()
        missing = []
        for registry in ALL_REGISTRIES.values():
            for component in docs.components_of(registry):
                meanings = docs.argument_help(component.target)
                supplied = docs.SUPPLIED.get(registry.kind, frozenset())
                missing += [
                    f"{registry.kind} {component.names[0]}: {key}"
                    for key in docs.arguments_of(component.target, registry.kind)
                    if key not in supplied and not meanings.get(key)
                ]
        assert not missing

    def test_every_component_is_described(self) -> None:
        docs.config_reference()
        silent = [f"{registry.kind} {name}" for registry in ALL_REGISTRIES.values()
                  for name, _, target in registry.entries() if not inspect.getdoc(target)]
        assert not silent


class TestGenerator:
    @pytest.fixture
    def registry(self) -> Registry:
        registry = Registry("thing")

        @registry.register("New", "Old", tasks=["rec", "cls"])
        class New:
            """A thing of note. It has more to say.

            Args:
                size: Pixels, two
                    lines long.
                flag, other: Both.
            """

            def __init__(self, size: list[int], flag: bool = False, other: str | None = None) -> None: ...

        @registry.register()
        def plain() -> None:
            """A function, e.g. this one."""

        return registry

    def test_aliases_and_tasks_of_one_class_are_one_entry(self, registry: Registry) -> None:
        components = list(docs.components_of(registry))
        assert [(c.names, c.tasks) for c in components] == [(("New", "Old"), ("cls", "rec")), (("plain",), ())]

    def test_blocks(self, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(docs.SUPPLIED, "thing", frozenset({"flag"}))
        new, plain = docs.components_of(registry)
        assert docs._component_blocks(new, "thing") == [
            "### New",
            f"A thing of note. (`{__name__}`; also `Old`; for model type cls, rec)",
            "| argument | type | default | meaning |\n| --- | --- | --- | --- |\n"
            "| `size` | list of int |  | Pixels, two lines long. |\n"
            "| `flag` | bool | `false` *(supplied)* | Both. |\n"
            "| `other` | str or null | `null` | Both. |",
        ]
        assert docs._component_blocks(plain, "thing")[1:] == [
            f"A function, e.g. this one. (`{__name__}`)", "No arguments.",
        ]

    def test_meanings_are_inherited_and_overridden(self) -> None:
        class Base:
            """Base.

            Args:
                a: Base a.
                b: Base b.
            """

            def __init__(self, a: int, b: int) -> None: ...

        class Derived(Base):
            """Derived.

            Args:
                b: Derived b.
            """

        assert docs.argument_help(Derived) == {"a": "Base a.", "b": "Derived b."}

    def test_arguments_of_paddle_layers_are_not_for_sections(self) -> None:
        import paddle

        class Plain(paddle.nn.Layer):
            """Has no constructor."""

        assert docs.arguments_of(Plain, "loss") == {}

    @pytest.mark.parametrize(
        ("docstring", "meanings"),
        [
            ("One line.", {}),
            ("Text.\n\n    Args:\n        a: First.\n\n    Raises:\n        b: No.\n", {"a": "First."}),
            ("Text.\n\n    Args:\n        a: First: with colon,\n            and: more.\n        b (int): Two.\n",
             {"a": "First: with colon, and: more.", "b": "Two."}),
            ("Text.\n\n    Args:\n        a:\n            Below.\n", {"a": "Below."}),
        ],
    )
    def test_argument_meanings(self, docstring: str, meanings: dict[str, str]) -> None:
        assert docs.parse_args(docstring) == meanings

    @pytest.mark.parametrize(
        ("docstring", "sentence"),
        [
            ("One. Two.", "One."),
            ("Version 1.5 of\n    a thing.\n\n    More.", "Version 1.5 of a thing."),
            ("No full stop", "No full stop"),
            ("As in D. Kingma and J. Ba (2015). More.", "As in D. Kingma and J. Ba (2015)."),
        ],
    )
    def test_first_sentence(self, docstring: str, sentence: str) -> None:
        assert docs.first_sentence(docstring) == sentence

    @pytest.mark.parametrize(
        ("value", "text"),
        [(None, "null"), (True, "true"), (0.5, "0.5"), ("a|b", '"a|b"'), ((1, 2), "[1, 2]"),
         ({"a": [True]}, "{a: [true]}"), (frozenset({"b", "a"}), '["a", "b"]'), (object(), "object")],
    )
    def test_defaults_are_written_as_yaml(self, value: Any, text: str) -> None:
        assert docs._yaml(value) == text

    def test_table_cells_are_escaped(self) -> None:
        assert docs._table(("a",), [("x|y",)]).splitlines()[-1] == "| x\\|y |"


def code_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def in_example_folder(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("extending")
    page = ROOT / "docs" / "extending.md"
    snippets = []
    for block in code_blocks(page, "python") + code_blocks(page, "yaml"):
        file = re.match(r"# (\w+\.(?:py|yml))\n", block)
        if file:
            (folder / file.group(1)).write_text(block, encoding="utf-8")
        else:
            snippets.append(block)
    (folder / "snippets.py").write_text("\n".join(snippets), encoding="utf-8")

    def run_code(code: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
        return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)

    return run_code


class TestExtending:
    """docs/extending.md is followed to the letter, in a process of its own: what it registers must not stay."""

    def test_snippets_run(self, in_example_folder: Run) -> None:
        done = in_example_folder("import runpy; print({'invert', 'loss'} <= set(runpy.run_path('snippets.py')))")
        assert done.stdout.splitlines()[-1:] == ["True"], done.stderr

    def test_configuration_loads_and_builds_a_model(self, in_example_folder: Run) -> None:
        done = in_example_folder(
            "from ppocr.config import load_config\nfrom ppocr.engine.builder import build_model_parts\n"
            "config = load_config('my.yml')\nmodel = build_model_parts(config).model\n"
            "print(type(model.backbone).__name__, model.backbone.out_channels, config['Loss']['weight'])"
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["PlainConv", "32", "0.05"]


class TestPages:
    def test_dependencies_are_all_explained(self) -> None:
        lines = (ROOT / "requirements.txt").read_text().splitlines()
        required = {re.split(r"[<>=!~\[; ]", line)[0].lower() for line in lines if line and not line.startswith("#")}
        table = (ROOT / "docs" / "dependencies.md").read_text().split("Chosen by an extra")[0]
        explained = {name.lower() for name in re.findall(r"^\| ([\w-]+) \|", table, re.MULTILINE)} - {"package"}
        assert explained == required

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
    def test_links_lead_somewhere(self, page: Path) -> None:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
        broken = [target for target in targets if not _exists(page, target)]
        assert not broken

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
    def test_make_targets_exist(self, page: Path) -> None:
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets


def _exists(page: Path, target: str) -> bool:
    file, _, anchor = target.partition("#")
    path = page if not file else page.parent / file
    if not path.exists():
        return False
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
    return not anchor or anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
