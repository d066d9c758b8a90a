"""Backup and restore."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from assistant.archive import BadArchive, read, write
from assistant.log import Log
from knowledge.records.database import Database


class Place:
    """A data folder with a log."""

    def __init__(self, folder: Path, heads: Path | None = None) -> None:
        self.folder = folder
        self.heads = heads or folder / "heads.log"
        folder.mkdir(parents=True, exist_ok=True)
        self.database = Database(f"sqlite:///{folder / 'heshi.db'}")
        self.log = Log(self.database, self.heads, folder / "keys" / "log.key")

    def backup(self, file: Path) -> int:
        return write(file, self.database, self.heads, self.folder / "keys")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "data")
    for number in range(3):
        made.log.append("a", "turn", {"n": number})
    return made


def restored(file: Path, folder: Path, heads: Path | None = None) -> Place:
    read(file, folder, heads or folder / "heads.log")
    return Place(folder, heads)


def test_round_trip(place: Place, tmp_path: Path) -> None:
    """A backup restored elsewhere holds the same events, verifies, and goes on."""
    assert place.backup(tmp_path / "b.tar.gz") == 3
    other = restored(tmp_path / "b.tar.gz", tmp_path / "other")
    assert other.log.verify() == (3, [])
    assert [one.body["n"] for one in other.log.conversation("a")] == [0, 1, 2]
    other.log.append("a", "turn", {"n": 3})
    assert other.log.verify() == (4, [])


def test_backup_is_what_it_was_then(place: Place, tmp_path: Path) -> None:
    """Events logged after the backup are not in it, nor are their heads; the running log is untouched."""
    place.backup(tmp_path / "b.tar.gz")
    place.log.append("a", "turn", {"n": 9})
    assert restored(tmp_path / "b.tar.gz", tmp_path / "other").log.verify() == (3, [])
    assert place.log.verify() == (4, [])


def test_heads_written_meanwhile_are_cut(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn logged between the copy of the database and that of the heads does not break the backup."""
    import assistant.archive as archive

    until = archive._heads_until

    def late(heads: Path, count: int) -> bytes:
        place.log.append("a", "turn", {"n": 9})
        return until(heads, count)

    monkeypatch.setattr(archive, "_heads_until", late)
    place.backup(tmp_path / "b.tar.gz")
    assert restored(tmp_path / "b.tar.gz", tmp_path / "other").log.verify() == (3, [])


def test_heads_kept_elsewhere(tmp_path: Path) -> None:
    """Heads outside the data folder are saved and put back where they belong."""
    place = Place(tmp_path / "data", tmp_path / "disk" / "heads.log")
    place.log.append("a", "turn", {})
    place.backup(tmp_path / "b.tar.gz")
    other = restored(tmp_path / "b.tar.gz", tmp_path / "other", tmp_path / "disk2" / "heads.log")
    assert other.log.verify() == (1, [])
    assert not (tmp_path / "other" / "heads.log").exists()


def test_never_over_existing_data(place: Place, tmp_path: Path) -> None:
    """A folder that holds data is not restored into, and stays as it was."""
    place.backup(tmp_path / "b.tar.gz")
    with pytest.raises(BadArchive, match="已有数据"):
        read(tmp_path / "b.tar.gz", place.folder, place.heads)
    assert place.log.verify() == (3, [])


def test_backup_belongs_to_its_owner_only(place: Place, tmp_path: Path) -> None:
    """The file holds the key and the conversations: nobody else may read it, and no partial file stays."""
    place.backup(tmp_path / "b.tar.gz")
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o077 == 0
    assert list(tmp_path.glob("*.partial")) == []


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b broken"])
def test_what_is_no_backup(tmp_path: Path, content: bytes) -> None:
    """A file that is no backup is refused and leaves nothing behind."""
    (tmp_path / "b.tar.gz").write_bytes(content)
    with pytest.raises(BadArchive):
        read(tmp_path / "b.tar.gz", tmp_path / "other", tmp_path / "other" / "heads.log")
    assert not (tmp_path / "other").exists()


def test_archive_of_something_else(tmp_path: Path) -> None:
    """An archive without records is refused; one that reaches outside its folder too."""
    for name, names in (("x.tar.gz", ["notes.txt"]), ("y.tar.gz", ["heshi.db", "heads.log", "../../evil"])):
        with tarfile.open(tmp_path / name, "w:gz") as archive:
            for member in names:
                archive.addfile(tarfile.TarInfo(member), io.BytesIO(b""))
        with pytest.raises(BadArchive):
            read(tmp_path / name, tmp_path / "o" / "p", tmp_path / "o" / "p" / "heads.log")
        assert not (tmp_path / "evil").exists()


def test_half_a_backup_is_refused_whole(place: Place, tmp_path: Path) -> None:
    """A backup cut short by a full disk is refused and leaves no half database."""
    for _ in range(200):
        place.log.append("a", "turn", {"text": "对账单下载" * 50})
    place.backup(tmp_path / "b.tar.gz")
    file = tmp_path / "b.tar.gz"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BadArchive):
        read(file, tmp_path / "other", tmp_path / "other" / "heads.log")
    assert not (tmp_path / "other" / "heshi.db").exists()


def test_server_database_is_not_copied(tmp_path: Path) -> None:
    """Only SQLite installations are copied; others have their server's own backup."""

    class Server:
        url = "postgresql+psycopg://x"

    with pytest.raises(BadArchive, match="server"):
        write(tmp_path / "b.tar.gz", Server(), tmp_path / "heads.log", tmp_path / "keys")  # type: ignore[arg-type]
