import os
from pathlib import Path

import pytest

from paribus.errors import StoreError
from paribus.files import whole, write_whole


def test_a_link_stays_a_link_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "kept.csv").write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to("kept.csv")
    with whole(link, "the table") as unfinished:
        unfinished.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "kept.csv").read_text() == "new"


def test_a_device_or_a_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StoreError, match="it is a device, not a file"):
        write_whole({pipe: b"", tmp_path / "other": b""}, "the table")
    with pytest.raises(StoreError, match="it is a folder, not a file"):
        write_whole({tmp_path / "other": b"", tmp_path: b""}, "the table")
    assert list(tmp_path.iterdir()) == [pipe]
