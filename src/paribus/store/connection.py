"""How the file of a store is opened: to read without changing it, or to write, made or migrated."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from paribus.errors import StoreError
from paribus.files import whole
from paribus.store.migrations import make_tables, migrate
from paribus.store.schema import APPLICATION_ID, PAGE, VERSION

_PATIENCE = 60.0  # seconds to wait for another process that is writing


def one_name(path: Path) -> Path:
    """Return the file that a store is or links to, which its journal and backup are beside."""
    return path.resolve() if path.is_symlink() else path


def is_made(path: Path) -> bool:
    """Return whether there is a store, or what is left of one.

    There is none yet where a file is empty because it could not be made to the end. A file that is
    empty beside a backup has lost what it had.
    """
    if not path.exists():
        return False
    try:
        with closing(_open_to_read(path)) as db:
            made = db.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
    except (StoreError, sqlite3.Error):
        return True  # and whoever opens it is told what is wrong with it
    return made or path.with_name(f"{path.name}.backup").exists()


class Connection:
    """An open file of a store, of this version; an older one is read through a migrated copy."""

    def __init__(self, path: Path, *, create: bool = False):
        """Open it to read, or with `create` to write, made where there is none.

        A store of an older version that is opened to write is migrated, and kept beside as it was:
        `store.sqlite.v1`. Raises StoreError where it is missing, not ours, damaged or too new.
        """
        self.path = path = one_name(path)
        if not create and not path.exists():
            raise StoreError(
                f"there is no store {path}: `paribus run STUDY` makes it, "
                f"--store FILE names another{self._backed_up()}"
            )
        if path.is_dir():
            raise StoreError(f"{path} is a folder: --store must name a file")
        with self.explained():
            self.db = self._open_to_write() if create else _open_to_read(self.path)
            try:
                self._prepare(create)
            except BaseException:
                self.db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the database in a transaction of its own: all of it is written, or nothing."""
        with self.explained():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the database as it is at this moment, whatever others write meanwhile."""
        with self.explained():
            self.db.execute("BEGIN")
            try:
                yield self.db
            finally:
                if self.db.in_transaction:
                    self.db.execute("COMMIT")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, which say what to do."""
        try:
            yield
        except (sqlite3.Error, ValueError) as error:  # of JSON, arrays, text that is no UTF-8
            reason = str(error)
            if "not a database" in reason:
                text = f"{self.path} is not a store, or it is damaged ({reason}): {self._doctor()}"
            elif any(word in reason for word in _DAMAGE):
                text = f"the store {self.path} is damaged ({reason}): {self._doctor()}"
            elif "full" in reason:
                text = (
                    f"the disk of the store {self.path} is full: every run finished so far is "
                    f"kept; make room and give the same command again"
                )
            elif "readonly" in reason or "unable to open" in reason:
                text = f"the store {self.path} cannot be written ({reason}): name another --store"
            elif "disk I/O" in reason:
                text = (
                    f"the disk of the store {self.path} is full, or fails ({reason}): every run "
                    f"finished so far is kept; make room and give the same command again"
                )
            elif "locked" in reason:
                text = f"the store {self.path} has been locked by another process for a minute"
            else:
                text = f"the store {self.path} cannot be used ({reason}): {self._doctor()}"
            raise StoreError(text) from error

    def damaged(self, what: str) -> StoreError:
        """Return the error for a row whose checksum does not match, or that is gone."""
        return StoreError(f"{what} in {self.path} is damaged: {self._doctor()}")

    def _doctor(self) -> str:
        return f"`paribus doctor --store {self.path}` tells what is lost, and can restore it"

    def _backed_up(self) -> str:
        backup = self.path.with_name(f"{self.path.name}.backup")
        if not backup.exists():
            return ""
        return f"; {backup} is there: `paribus doctor --store {self.path} --restore` restores it"

    def _open_to_write(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the folder {self.path.parent} for the store cannot be made "
                f"({error.strerror}): name another with --store FILE"
            ) from error
        db = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        db.execute(f"PRAGMA page_size = {PAGE}")  # of a file that is made
        return db

    def _prepare(self, create: bool) -> None:
        _guard(self.db)
        if not create and not self._is_ours():
            if not self._application_id() and self._is_empty():  # or it is being made just now
                raise StoreError(
                    f"{self.path} is empty: `paribus run STUDY` makes a store of it"
                    f"{self._backed_up()}"
                )
            self._refuse()
        if not self._is_ours():
            # Another process may be making it at this moment: look again under the lock.
            with self.writing() as db:
                if not self._is_ours():
                    if not self._is_empty() or self._application_id():
                        self._refuse()
                    make_tables(db)
                    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {VERSION}")
        version = self._version()
        if version > VERSION:
            raise StoreError(
                f"{self.path} was written by a newer Paribus (schema {version}; this one knows up "
                f"to {VERSION}): upgrade with `pip install -U paribus`, or name another --store"
            )
        if not create:
            if version < VERSION:
                self._read_a_migrated_copy()
            return
        self._use_journal()
        if version < VERSION:
            self._migrate()
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("PRAGMA foreign_keys = ON")
        self.db.execute("PRAGMA secure_delete = ON")  # what is deleted is never restored

    def _migrate(self) -> None:
        with self.writing() as db:
            if (version := self._version()) < VERSION:  # no other process has done so meanwhile
                self._keep_as_it_was(version)
                migrate(db)

    def _keep_as_it_was(self, version: int) -> None:
        """Copy the store beside itself: it cannot change meanwhile, for the lock is ours."""
        kept = self.path.with_name(f"{self.path.name}.v{version}")
        while kept.exists():
            kept = kept.with_name(f"{kept.name}-again")
        with (
            whole(kept, "the store as it was") as unfinished,
            closing(_open_to_read(self.path)) as old,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            old.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")

    def _read_a_migrated_copy(self) -> None:
        """Replace the connection by one to a copy that SQLite keeps in memory and temporary files.

        It is gone when it is closed.
        """
        copy = sqlite3.connect("", isolation_level=None)
        try:
            _guard(copy)
            self.db.backup(copy)
            copy.execute("BEGIN")
            migrate(copy)
            copy.execute("COMMIT")
        except BaseException:
            copy.close()
            raise
        self.db.close()
        self.db = copy

    def _version(self) -> int:
        return int(self.db.execute("PRAGMA user_version").fetchone()[0])

    def _is_empty(self) -> bool:
        return self.db.execute("SELECT 1 FROM sqlite_master").fetchone() is None

    def _application_id(self) -> int:
        return int(self.db.execute("PRAGMA application_id").fetchone()[0])

    def _is_ours(self) -> bool:
        return self._application_id() == APPLICATION_ID

    def _refuse(self) -> None:
        raise StoreError(
            f"{self.path} is an SQLite file, but not a store of Paribus: name another --store, or "
            f"if it was one, {self._doctor()}"
        )

    def _use_journal(self) -> None:
        """Switch to write-ahead logging; SQLite does not wait for this lock by itself."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self.db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.02)


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open a store without changing it, in a folder that cannot be written too."""
    address = path.resolve().as_uri()
    for how in ("mode=ro", "mode=rw"):  # what a kill left half made, one who writes takes back
        db = sqlite3.connect(f"{address}?{how}", uri=True, timeout=_PATIENCE, isolation_level=None)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return db
        except sqlite3.OperationalError as error:
            db.close()
            why = error
        except BaseException:
            db.close()
            raise
    if "locked" in str(why):
        raise why
    journal = path.with_name(f"{path.name}-wal")
    damaged = any(word in str(why) for word in _DAMAGE)
    if not damaged and journal.exists() and journal.stat().st_size:
        raise StoreError(
            f"{path} cannot be read ({why}): it was not closed, so that this takes room beside "
            f"it, and leave to write there; make room, or copy it with {journal.name} to another "
            f"folder"
        ) from why
    # A journal beside the file cannot be made: nobody else can be writing either.
    return sqlite3.connect(f"{address}?immutable=1", uri=True, isolation_level=None)


_DAMAGE = (
    "malformed",
    "no such table",
    "no such column",
    "Could not decode",
    "can't decode",
    "unsupported",
)
"""What SQLite's messages of a damaged file have in common: tables of ours are always there."""


def _guard(db: sqlite3.Connection) -> None:
    """Trust a file no further than its numbers: it may be anybody's, or damaged."""
    db.execute("PRAGMA trusted_schema = OFF")  # no trigger or view of it calls what acts
    db.execute("PRAGMA cell_size_check = ON")  # a damaged page is told before it is used
