"""From a name to a folder: the cache, packages, downloads, and what is said when none of them helps."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from ppocr.charset import Charset
from ppocr.errors import HubError
from ppocr.hub import Hub
from ppocr.hub.folders import RECORD_FILE, ModelFolders, home_folder
from ppocr.infer.folder import InferenceFolder
from tests.hub import toys
from tests.hub.toys import FILES, PARAMS, PROGRAM, Server, serving
from tests.source_tree import ROOT


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.files["/toy_rec_infer.tar"] = toys.model_archive()
        yield running


def offline(tmp_path: Path, **changes: object) -> Hub:
    return Hub(toys.catalog(tmp_path, **changes), tmp_path / "home")


def online(tmp_path: Path, server: Server) -> Hub:
    return Hub(toys.catalog(tmp_path, f"{server.url}/toy_rec_infer.tar"), tmp_path / "home")


def test_importing_is_light() -> None:
    code = "import sys, ppocr.hub; print([m for m in ('paddle', 'cv2', 'onnxruntime', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_cache_may_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPOCR_HOME", "~/models")
    assert home_folder() == Path.home() / "models"
    monkeypatch.delenv("PPOCR_HOME")
    assert home_folder() == Path.home() / ".cache" / "ppocr"


def test_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPOCR_HOME", "~nobody_of_this_name/models")
    with pytest.raises(HubError, match="there is no place for published models") as caught:
        home_folder()
    assert "PPOCR_HOME" in caught.value.cure


class TestPackage:
    def test_gives_a_folder_that_describes_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        toys.install(tmp_path, monkeypatch)
        folder = InferenceFolder.open(offline(tmp_path).load("toy_rec"))
        assert folder.path == tmp_path / "home" / "models" / "toy_rec"
        assert folder.model_file.read_bytes() == PROGRAM
        assert folder.params_file.read_bytes() == PARAMS
        description = folder.description
        assert description is not None
        assert (description.schema, description.model_name, description.model_type) == (1, "toy_rec", "rec")
        assert description.charset == Charset(("a", "b", "c", " "))
        assert description.operators == ({"DecodeImage": {"img_mode": "BGR"}},
                                         {"RecResizeImg": {"image_shape": [3, 32, 320]}})
        assert description.input_shape == (-1, 3, 32, -1)
        assert description.provenance["source"] == "Python package toy-models 1.0"
        assert set(description.provenance["files"]) == {"inference.pdmodel", "inference.pdiparams"}

    def test_nothing_is_left_beside(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        toys.install(tmp_path, monkeypatch)
        folder = offline(tmp_path).load("toy_rec")
        assert [entry.name for entry in folder.parent.iterdir()] == ["toy_rec"]
        assert oct(folder.stat().st_mode & 0o777) == "0o755"

    def test_of_two_at_once_one_makes_the_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        toys.install(tmp_path, monkeypatch)
        catalog, home = toys.catalog(tmp_path), tmp_path / "home"
        build, made = ModelFolders.build, []

        def slow(self: ModelFolders, *arguments: Any) -> Path:
            made.append(arguments[0].name)
            time.sleep(0.2)  # Long enough for the other to come in, were it let.
            return build(self, *arguments)

        monkeypatch.setattr(ModelFolders, "build", slow)
        with ThreadPoolExecutor(2) as pool:
            folders = list(pool.map(lambda _: Hub(catalog, home).load("toy_rec"), range(2)))
        assert folders == [home / "models" / "toy_rec"] * 2
        assert made == ["toy_rec"], "a folder that is already used must not be taken away"

    def test_missing_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        toys.install(tmp_path, monkeypatch, {name: data for name, data in FILES.items() if name != "words.txt"})
        with pytest.raises(HubError, match=r"toy-models 1\.0 has no file words\.txt") as caught:
            offline(tmp_path).load("toy_rec")
        assert caught.value.cure == "pip install --force-reinstall --no-deps toy-models==1.0"

    @pytest.mark.parametrize("data", [PARAMS[:-1] + b"?", PARAMS[:-1]], ids=["other content", "truncated"])
    def test_changed_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
        toys.install(tmp_path, monkeypatch, {**FILES, "net/rec.pdiparams": data})
        hub = offline(tmp_path)
        with pytest.raises(HubError, match=r"rec\.pdiparams of toy-models 1\.0 is not the file") as caught:
            hub.load("toy_rec")
        assert "--force-reinstall" in caught.value.cure
        assert not (tmp_path / "home").exists()

    def test_of_another_version_with_other_files_is_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        toys.install(tmp_path, monkeypatch, {"elsewhere": b""}, version="2.0")
        with pytest.raises(HubError, match="none is installed in the known version"):
            offline(tmp_path).load("toy_rec")

    def test_of_another_version_with_the_same_files_is_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        toys.install(tmp_path, monkeypatch, version="1.0.1")
        assert offline(tmp_path).load("toy_rec").is_dir()

    def test_dictionary_of_the_wrong_size(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        toys.install(tmp_path, monkeypatch)
        with pytest.raises(HubError, match="wrong size: 4 characters with the space make 5 classes, the network has 7"
                           ) as caught:
            offline(tmp_path, classes=7).load("toy_rec")
        assert caught.value.expected == "5 lines"

    def test_cache_that_cannot_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        toys.install(tmp_path, monkeypatch)
        (tmp_path / "home").write_text("a file")
        with pytest.raises(HubError, match="toy_rec cannot be put into") as caught:
            offline(tmp_path).load("toy_rec")
        assert "PPOCR_HOME" in caught.value.cure


class TestCache:
    def test_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module = toys.install(tmp_path, monkeypatch)
        folder = offline(tmp_path).load("toy_rec")
        for name in FILES:
            (module / name).unlink()
        assert offline(tmp_path).load("toy_rec") == folder

    @pytest.mark.parametrize("damage", ["inference.pdiparams", "inference.yml", RECORD_FILE])
    def test_a_damaged_folder_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
    ) -> None:
        toys.install(tmp_path, monkeypatch)
        folder = offline(tmp_path).load("toy_rec")
        (folder / damage).unlink()
        assert offline(tmp_path).load("toy_rec") == folder
        assert (folder / "inference.pdiparams").read_bytes() == PARAMS
        assert InferenceFolder.open(folder).description is not None
        assert [entry.name for entry in folder.parent.iterdir()] == ["toy_rec"]

    def test_an_older_description_is_renewed_without_the_sources(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = toys.install(tmp_path, monkeypatch)
        folder = offline(tmp_path).load("toy_rec")
        for name in FILES:
            (module / name).unlink()
        changed = toys.content()
        changed["recipes"]["rec"]["transform_ops"] = [{"RecResizeImg": {"image_shape": [3, 32, 640]}}]
        (tmp_path / "new.yml").write_text(yaml.safe_dump(changed))
        catalog = toys.read_catalog(tmp_path / "new.yml")
        assert Hub(catalog, tmp_path / "home").load("toy_rec") == folder
        description = InferenceFolder.open(folder).description
        assert description is not None
        assert description.operators[1] == {"RecResizeImg": {"image_shape": [3, 32, 640]}}
        assert description.charset == Charset(("a", "b", "c", " "))
        assert description.provenance["source"] == "Python package toy-models 1.0"

    @pytest.mark.parametrize("damage", ["a: [1", "Charset: {symbols: [a, b], sha256: '0'}"])
    def test_an_older_description_that_is_damaged_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
    ) -> None:
        toys.install(tmp_path, monkeypatch)
        folder = offline(tmp_path).load("toy_rec")
        (folder / "inference.yml").write_text(damage)
        record = json.loads((folder / RECORD_FILE).read_text())
        (folder / RECORD_FILE).write_text(json.dumps({**record, "recipe": "older"}))
        description = InferenceFolder.open(offline(tmp_path).load("toy_rec")).description
        assert description is not None
        assert description.charset == Charset(("a", "b", "c", " "))

    def test_files_are_copied_where_links_are_impossible(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        toys.install(tmp_path, monkeypatch)

        def refuse(*_: object) -> None:
            raise OSError("another device")

        monkeypatch.setattr(os, "link", refuse)
        assert (offline(tmp_path).load("toy_rec") / "inference.pdiparams").read_bytes() == PARAMS


class TestDownload:
    def test_gives_a_folder(self, tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        folder = online(tmp_path, server).load("toy_rec")
        assert sorted(entry.name for entry in folder.iterdir()) == [
            "hub.json", "inference.json", "inference.pdiparams", "inference.yml"]
        description = InferenceFolder.open(folder).description
        assert description is not None
        assert description.charset == Charset(("a", "b", "c", " "))
        assert description.provenance["verified"] == "not at all: first download, checksum noted"
        assert "the first download is trusted: SHA-256" in caplog.text
        assert list((tmp_path / "home" / "downloads").iterdir()) == []
        assert online(tmp_path, server).load("toy_rec") == folder
        assert len(server.ranges) == 1, "the cache comes first"

    def test_a_later_download_must_be_the_same(self, tmp_path: Path, server: Server) -> None:
        folder = online(tmp_path, server).load("toy_rec")
        (folder / "inference.json").unlink()
        server.files["/toy_rec_infer.tar"] = toys.model_archive(("x", "y", "z"))
        with pytest.raises(HubError, match="not the file of the first download") as caught:
            online(tmp_path, server).load("toy_rec")
        noted = json.loads((tmp_path / "home" / "digests.json").read_text())
        assert caught.value.expected in noted.values()
        server.files["/toy_rec_infer.tar"] = toys.model_archive()
        description = InferenceFolder.open(online(tmp_path, server).load("toy_rec")).description
        assert description is not None
        assert description.provenance["verified"] == "equal to the first download"

    @pytest.mark.parametrize(("data", "words"), [
        (b"<html>log in</html>", "no complete tar archive"),
        (toys.model_archive()[:1000], "no complete tar archive"),
        (toys.archive({"readme": b""}), "holds no exported model"),
        (toys.archive({"inference.json": PROGRAM, "inference.pdiparams": PARAMS}), "holds no dictionary"),
        (toys.archive({"inference.json": b"", "inference.pdiparams": b"", "inference.yml": b"a: [1"}),
         "cannot be read"),
        (toys.model_archive(("a", "b")), "the dictionary has the wrong size: 3 characters"),
        (toys.model_archive(("a", "bb", "c")), "holds no dictionary: .*not one character"),
    ])
    def test_a_bad_archive_leaves_nothing(self, tmp_path: Path, server: Server, data: bytes, words: str) -> None:
        server.files["/toy_rec_infer.tar"] = data
        with pytest.raises(HubError, match=words):
            online(tmp_path, server).load("toy_rec")
        assert list((tmp_path / "home" / "downloads").iterdir()) == []
        assert not list((tmp_path / "home").glob("models/*"))
        server.files["/toy_rec_infer.tar"] = toys.model_archive()
        assert online(tmp_path, server).load("toy_rec").is_dir(), "a bad one must not have been noted as the first"

    def test_a_transfer_that_breaks_is_continued(self, tmp_path: Path, server: Server) -> None:
        server.cut = 3000
        with pytest.raises(HubError, match="ended after 3000 of"):
            online(tmp_path, server).load("toy_rec")
        server.cut = None
        assert online(tmp_path, server).load("toy_rec").is_dir()
        assert server.ranges == [None, "bytes=3000-"]


    def test_of_two_at_once_one_downloads(self, tmp_path: Path, server: Server) -> None:
        with ThreadPoolExecutor(2) as pool:
            folders = list(pool.map(lambda _: online(tmp_path, server).load("toy_rec"), range(2)))
        assert folders[0] == folders[1]
        assert len(server.ranges) == 1

    def test_cache_that_cannot_be_written(self, tmp_path: Path, server: Server) -> None:
        (tmp_path / "home").write_text("a file")
        with pytest.raises(HubError, match="toy_rec cannot be put into"):
            online(tmp_path, server).load("toy_rec")


class TestNowhere:
    def test_offline_names_all_three_sources_and_the_command(self, tmp_path: Path) -> None:
        with pytest.raises(HubError) as caught:
            offline(tmp_path, url="http://127.0.0.1:9/toy.tar").load("toy_rec")
        told = str(caught.value)
        for word in (str(tmp_path / "home" / "models" / "toy_rec"), "packages that carry it (toy-models)",
                     "http://127.0.0.1:9/toy.tar cannot be reached", "pip install --no-deps toy-models==1.0"):
            assert word in told

    def test_a_format_that_nobody_has(self, tmp_path: Path) -> None:
        with pytest.raises(HubError, match="there is no download of this format"):
            offline(tmp_path, url="http://127.0.0.1:9/toy.tar").load("toy_rec", format="onnx")


class TestAvailable:
    def test_everywhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = offline(tmp_path, url="http://127.0.0.1:9/toy.tar").available()[0]
        assert (entry.is_local, entry.formats) == (False, ("paddle",))
        assert entry.installable == ("pip install --no-deps toy-models==1.0",)
        toys.install(tmp_path, monkeypatch)
        entry = offline(tmp_path).available()[0]
        assert (entry.is_local, entry.packages, entry.cached) == (True, ("toy-models 1.0",), ())
        folder = offline(tmp_path).load("toy_rec")
        assert offline(tmp_path).available()[0].cached == (folder,)

    def test_damaged(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        toys.install(tmp_path, monkeypatch, {})
        entry = offline(tmp_path).available()[0]
        assert (entry.is_local, entry.damaged) == (False, ("toy-models 1.0",))

    def test_system_that_is_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        described = toys.content()
        described["models"]["far"] = {"recipe": "rec", "size": 1, "classes": 5}
        described["models"]["toy_det"]["packages"] = [{
            "package": "toy-models", "files": {"inference.pdmodel": toys.entry("net/rec.pdmodel", PROGRAM)}}]
        described["systems"] = {"first": {"det": "toy_det", "rec": "far"},
                                "second": {"det": "toy_det", "rec": "toy_rec"}}
        (tmp_path / "systems.yml").write_text(yaml.safe_dump(described, sort_keys=False))
        catalog = toys.read_catalog(tmp_path / "systems.yml")
        assert Hub(catalog, tmp_path / "home").local_system() == "first"
        toys.install(tmp_path, monkeypatch)
        assert Hub(catalog, tmp_path / "home").local_system() == "second"
