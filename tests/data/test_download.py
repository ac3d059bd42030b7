import gzip
import hashlib
import io
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from requests import Response, Session
from requests.adapters import HTTPAdapter

from paribus.data.download import cache_folder, download
from paribus.data.registry import REGISTRY
from paribus.errors import DataError

CONTENT = gzip.compress(b"pixels" * 1000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def everything_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched(mirror, tmp_path):
    mirror.put("good/a.gz", CONTENT)
    folder = tmp_path / "new" / "folder"
    assert download({"a.gz": SHA256}, [f"{mirror.url}/good/"], folder) == folder
    assert (folder / "a.gz").read_bytes() == CONTENT
    assert everything_in(folder) == ["a.gz"]


def test_a_file_that_is_there_is_not_fetched_again(mirror, tmp_path):
    mirror.put("good/a.gz", CONTENT)
    for _ in range(2):
        download({"a.gz": SHA256}, [f"{mirror.url}/good/"], tmp_path / "f")
    assert mirror.seen == ["/good/a.gz"]


def test_a_damaged_file_is_fetched_again(mirror, tmp_path):
    mirror.put("good/a.gz", CONTENT)
    (tmp_path / "a.gz").write_bytes(b"damaged")
    download({"a.gz": SHA256}, [f"{mirror.url}/good/"], tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("bad", ["nowhere", "truncated", "wrong"])
def test_the_next_mirror_is_tried(mirror, tmp_path, bad):
    mirror.put("good/a.gz", CONTENT)
    mirror.put("wrong/a.gz", b"something else")
    folder = tmp_path / "f"
    download({"a.gz": SHA256}, [f"{mirror.url}/{bad}/", f"{mirror.url}/good/"], folder)
    assert mirror.seen == [f"/{bad}/a.gz", "/good/a.gz"]
    assert (folder / "a.gz").read_bytes() == CONTENT
    assert everything_in(folder) == ["a.gz"]


def test_when_all_mirrors_fail_one_error_tells_each_reason_and_what_to_put_where(mirror, tmp_path):
    mirror.put("wrong/a.gz", b"something else")
    folder = tmp_path / "f"
    mirrors = [f"{mirror.url}/{bad}/" for bad in ("nowhere", "truncated", "wrong")]
    mirrors.append("http://127.0.0.1:9/closed/")
    other = "0" * 64
    with pytest.raises(DataError) as caught:
        download({"a.gz": SHA256, "b.gz": other}, mirrors, folder)
    message = str(caught.value)
    assert message.startswith("a.gz could not be fetched from any mirror:")
    for mirror_url in mirrors:
        assert f"  {mirror_url}a.gz: " in message
    assert "404" in message
    assert "its content has another SHA-256" in message
    assert f"put these files into {folder}:" in message
    assert f"  a.gz  (SHA-256 {SHA256})" in message
    assert f"  b.gz  (SHA-256 {other})" in message
    assert everything_in(folder) == []


def test_a_file_that_cannot_be_had_ends_the_attempt(mirror, tmp_path):
    with pytest.raises(DataError):
        download({"a.gz": SHA256, "b.gz": SHA256}, [f"{mirror.url}/nowhere/"], tmp_path)
    assert mirror.seen == ["/nowhere/a.gz"]


def test_a_wrong_file_leaves_the_one_that_was_there(mirror, tmp_path):
    mirror.put("wrong/a.gz", b"something else")
    (tmp_path / "a.gz").write_bytes(b"older")
    with pytest.raises(DataError):
        download({"a.gz": SHA256}, [f"{mirror.url}/wrong/"], tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == b"older"


def test_a_folder_that_cannot_be_made_is_told(mirror, tmp_path):
    mirror.put("good/a.gz", CONTENT)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"a\.gz could not be fetched") as caught:
        download({"a.gz": SHA256}, [f"{mirror.url}/good/"], tmp_path / "file" / "f")
    assert str(tmp_path / "file" / "f") in str(caught.value)


def test_nothing_is_printed_where_there_is_no_terminal(mirror, tmp_path, capfd):
    mirror.put("good/a.gz", CONTENT)
    download({"a.gz": SHA256}, [f"{mirror.url}/good/"], tmp_path)
    assert capfd.readouterr() == ("", "")


def test_progress_is_shown_on_stderr_of_a_terminal(mirror, tmp_path, capfd, monkeypatch):
    mirror.put("good/a.gz", CONTENT)
    monkeypatch.setenv("FORCE_COLOR", "1")  # Rich then takes the captured stderr for a terminal
    download({"a.gz": SHA256}, [f"{mirror.url}/good/"], tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    assert "a.gz" in err
    assert "100%" in err


@pytest.mark.skipif(os.name != "posix", reason="the variable is for POSIX")
def test_downloads_are_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().name == "paribus"


def test_every_mirror_is_asked_by_https_and_every_file_has_its_checksum():
    fetched = {name: entry for name, entry in REGISTRY.items() if not entry.embedded}
    assert fetched.keys() == {"mnist", "fashion-mnist"}
    for entry in fetched.values():
        assert entry.mirrors
        for mirror in entry.mirrors:
            assert urlsplit(mirror).scheme == "https"
            assert mirror.endswith("/")
        for name, sha256 in entry.files.items():
            assert re.fullmatch("[0-9a-f]{64}", sha256)
            assert re.fullmatch(r"\w[\w.-]*", name)  # no way out of its folder


class Redirecting(HTTPAdapter):
    """What answers in the place of the network: each address with another, or with content."""

    def __init__(self, answers: dict[str, str]) -> None:
        super().__init__()
        self.answers, self.asked = answers, []

    def send(self, request, **_):
        self.asked.append(request.url)
        made = Response()
        made.url, made.request = request.url, request
        there = self.answers.get(request.url)
        made.status_code = 302 if there else 200
        made.headers["location"] = there or request.url
        made.raw = io.BytesIO(CONTENT)
        return made


@pytest.mark.parametrize(
    ("there", "allowed"),
    [
        ("https://elsewhere.example/a.gz", True),
        ("/other/a.gz", True),
        ("http://mirror.example/a.gz", False),
        ("//elsewhere.example/a.gz", True),
        ("file:///etc/hostname", False),
    ],
)
def test_a_mirror_may_send_on_by_https_alone(monkeypatch, tmp_path, there, allowed):
    adapter = Redirecting({"https://mirror.example/a.gz": there})
    monkeypatch.setattr(Session, "get_adapter", lambda self, url: adapter)
    mirrors = ["https://mirror.example/"]
    if allowed:
        download({"a.gz": SHA256}, mirrors, tmp_path)
        assert (tmp_path / "a.gz").read_bytes() == CONTENT
        return
    with pytest.raises(DataError, match="which is not HTTPS"):
        download({"a.gz": SHA256}, mirrors, tmp_path)
    assert adapter.asked == ["https://mirror.example/a.gz"]
    assert everything_in(tmp_path) == []
