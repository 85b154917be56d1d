"""Downloads from a server that is not always good, and archives that are not always honest."""

from __future__ import annotations

import io
import ssl
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ppocr.errors import HubError
from ppocr.hub.download import download, show_progress, unpack
from tests.hub.toys import Server, archive, serving

DATA = bytes(range(256)) * 3000


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.files["/model.tar"] = DATA
        yield running


class TestDownload:
    def test_whole_file(self, server: Server, tmp_path: Path) -> None:
        told: list[tuple[str, int, int | None]] = []
        target = tmp_path / "new" / "model.tar"
        download(f"{server.url}/model.tar", target, report=lambda *facts: told.append(facts))
        assert target.read_bytes() == DATA
        assert told[0] == ("model.tar", 0, len(DATA))
        assert told[-1] == ("model.tar", len(DATA), len(DATA))
        assert [entry.name for entry in target.parent.iterdir()] == ["model.tar"]

    def test_goes_on_where_it_stopped(self, server: Server, tmp_path: Path) -> None:
        target = tmp_path / "model.tar"
        server.cut = 100_000
        with pytest.raises(HubError, match=f"ended after 100000 of {len(DATA)} bytes"):
            download(f"{server.url}/model.tar", target)
        assert not target.exists()
        server.cut = None
        download(f"{server.url}/model.tar", target)
        assert server.ranges == [None, "bytes=100000-"]
        assert target.read_bytes() == DATA

    def test_another_part_than_was_asked_for(self, server: Server, tmp_path: Path) -> None:
        target = tmp_path / "model.tar"
        server.cut = 100_000
        with pytest.raises(HubError):
            download(f"{server.url}/model.tar", target)
        server.cut, server.shift = None, 5
        with pytest.raises(HubError, match="another part of the file than was asked for"):
            download(f"{server.url}/model.tar", target)
        server.shift = 0
        download(f"{server.url}/model.tar", target)
        assert server.ranges[-1] is None
        assert target.read_bytes() == DATA

    def test_starts_again_if_the_file_was_replaced(self, server: Server, tmp_path: Path) -> None:
        target = tmp_path / "model.tar"
        server.cut = 100_000
        with pytest.raises(HubError):
            download(f"{server.url}/model.tar", target)
        server.cut, server.version = None, '"2"'
        server.files["/model.tar"] = DATA[::-1]
        download(f"{server.url}/model.tar", target)
        assert target.read_bytes() == DATA[::-1]

    def test_a_part_of_another_address_is_not_continued(self, server: Server, tmp_path: Path) -> None:
        server.cut = 1000
        with pytest.raises(HubError):
            download(f"{server.url}/model.tar", tmp_path / "x.tar")
        server.cut = None
        server.files["/other.tar"] = DATA[::-1]
        download(f"{server.url}/other.tar", tmp_path / "x.tar")
        assert server.ranges == [None, None]
        assert (tmp_path / "x.tar").read_bytes() == DATA[::-1]

    def test_missing_file(self, server: Server, tmp_path: Path) -> None:
        with pytest.raises(HubError, match="the server answers 404 Not Found"):
            download(f"{server.url}/gone.tar", tmp_path / "gone.tar")

    def test_no_server(self, tmp_path: Path) -> None:
        with pytest.raises(HubError, match="cannot be reached") as caught:
            download("http://127.0.0.1:9/model.tar", tmp_path / "model.tar")
        assert "check the connection" in caught.value.cure


    def test_a_broken_encryption_is_a_matter_of_the_connection(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks(*_: object) -> int:
            raise ssl.SSLError(1, "decryption failed")

        monkeypatch.setattr("ppocr.hub.download._copy", breaks)
        with pytest.raises(HubError, match="cannot be reached: .*decryption failed"):
            download(f"{server.url}/model.tar", tmp_path / "model.tar")


class TestProgress:
    def test_lines_where_there_is_no_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        for done in range(0, 101, 5):
            show_progress("a.tar", done * 10_000, 1_000_000)
        assert capsys.readouterr().err.splitlines() == [
            "a.tar: 0.0 of 1.0 MB", "a.tar: 0.2 of 1.0 MB", "a.tar: 0.5 of 1.0 MB", "a.tar: 0.8 of 1.0 MB",
            "a.tar: 1.0 of 1.0 MB"]

    def test_a_bar_on_a_terminal(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        show_progress("b.tar", 500_000, 500_000)
        assert capsys.readouterr().err == f"\rb.tar [{'#' * 30}] 0.5 of 0.5 MB\n"


class TestUnpack:
    def write(self, folder: Path, data: bytes) -> Path:
        path = folder / "model.tar"
        path.write_bytes(data)
        return path

    def test_takes_what_is_wanted(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, archive({"inference.json": b"{}", "notes.txt": b"no"}, "./some/folder/"))
        target = tmp_path / "out"
        target.mkdir()
        assert unpack(path, target, ["inference.json", "absent"]) == {"inference.json": target / "inference.json"}
        assert [entry.name for entry in target.iterdir()] == ["inference.json"]
        assert (target / "inference.json").read_bytes() == b"{}"

    @pytest.mark.parametrize("name", ["/etc/inference.json", "../inference.json", "a/../../inference.json",
                                      "..\\inference.json"])
    def test_paths_that_lead_out(self, tmp_path: Path, name: str) -> None:
        path = self.write(tmp_path, archive({name: b"{}"}, ""))
        target = tmp_path / "out"
        target.mkdir()
        with pytest.raises(HubError, match="a path that leads out of its folder"):
            unpack(path, target, ["inference.json"])
        assert not list(target.iterdir())

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
    def test_links_and_devices(self, tmp_path: Path, kind: bytes) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            member = tarfile.TarInfo("m/inference.json")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        with pytest.raises(HubError, match="a link or device"):
            unpack(self.write(tmp_path, buffer.getvalue()), tmp_path, ["inference.json"])

    def test_truncated(self, tmp_path: Path) -> None:
        data = archive({"inference.json": b"x" * 5000})
        with pytest.raises(HubError, match="no complete tar archive"):
            unpack(self.write(tmp_path, data[:2000]), tmp_path, ["inference.json"])

    @pytest.mark.parametrize("kind", ["gz", "xz"])
    def test_damaged_inside_a_compression(self, tmp_path: Path, kind: str) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as tar:
            member = tarfile.TarInfo("m/inference.json")
            member.size = 200_000
            tar.addfile(member, io.BytesIO(np.random.default_rng(0).integers(0, 9, member.size, np.uint8)))
        data = bytearray(buffer.getvalue())
        half = len(data) // 2
        data[half:half + 4000] = b"\xff" * 4000
        with pytest.raises(HubError, match="no complete tar archive"):
            unpack(self.write(tmp_path, bytes(data)), tmp_path, ["inference.json"])

    def test_no_archive(self, tmp_path: Path) -> None:
        with pytest.raises(HubError, match="no complete tar archive") as caught:
            unpack(self.write(tmp_path, b"<html>please log in</html>" * 50), tmp_path, ["inference.json"])
        assert "web page" in caught.value.cure
