"""A store that was cut short, or whose bytes were changed: it is said, and it is restored."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from benchmarks.torture.command import Command
from benchmarks.torture.row import Row
from benchmarks.torture.trial import Reference, Trial
from paribus.errors import StoreError
from paribus.store.backup import backup_of

_FLIPS = 40  # bytes at most


def torture(folder: Path, reference: Reference, rounds: int, seed: int) -> list[Row]:
    """Damage stores whose backup is sound, is damaged too, or is not there."""
    folder.mkdir(parents=True)
    row = Row("damage")
    sound = Trial(folder / "sound", reference, row)
    with sound.run() as command:
        code = command.ended(row)
    if code or not backup_of(sound.store).exists():
        raise RuntimeError(f"there is no store with a backup to damage: {code} {row.said}")
    return [
        damaged(folder / "sound-backup", sound, "with its backup", rounds, seed),
        damaged(folder / "damaged-backup", sound, "with a damaged backup", rounds, seed),
        damaged(folder / "no-backup", sound, "without a backup", rounds, seed),
    ]


def damaged(folder: Path, sound: Trial, how: str, rounds: int, seed: int) -> Row:
    """Damage copies of a store, read them, and have each restored.

    What is read of a damaged store is right, or an error says that it is not. With a backup all of
    it comes back; else what comes back is right, and the command trains the rest.
    """
    row, draw = Row(f"a damaged store, {how}"), random.Random(seed)
    backup = how == "with its backup"
    for _ in range(rounds):
        trial = Trial(folder, sound.reference, row)
        trial.anew()
        shutil.copy(sound.store, trial.store)
        if how != "without a backup":
            content = backup_of(sound.store).read_bytes()
            backup_of(trial.store).write_bytes(content if backup else _flip(content, draw))
        damage = draw.choice([_cut, _flip, _flip, _blank])
        trial.store.write_bytes(damage(trial.store.read_bytes(), draw))
        row.times += 1
        after = f"after {damage.__name__.strip('_')} {row.times}"
        unread = _read(trial, after)
        with Command(folder, ("doctor", "--store", str(trial.store), "--restore")) as command:
            code = command.ended(row)
            if code not in ((0,) if backup else (0, 2)):
                row.error(f"{after}: doctor ended with {code}: {command.said[-500:]}")
        row.count("damage that reading met", unread)
        if code == 2:  # nothing of it is left, and it says so
            row.count("nothing left")
            continue
        again = trial.kept()
        if missing := len(sound.reference.results) - len(again):
            row.count("runs that were not restored", missing)
            if backup:
                row.lose(f"{after}: {missing} runs are not restored", missing)
        for key, one in again.items():
            if one.results != sound.reference.results[key]:
                row.change(f"{after}: run {key} is restored otherwise than it was")
        if row.times % 5 == 0:
            _goes_on(trial, after)
    return row


def _read(trial: Trial, after: str) -> bool:
    """Read a damaged store; return whether an error said so."""
    try:
        found = trial.kept()
    except StoreError:
        return True
    except Exception as error:  # no error of ours: what the command line would call internal
        trial.row.error(f"{after}: {type(error).__name__}: {error}")
        return True
    results = trial.reference.results
    if missing := len(results) - len(found):
        trial.row.lose(f"{after}: {missing} runs are missing, and nothing said so", missing)
    for key, one in found.items():
        if one.results != results.get(key):
            trial.row.change(f"{after}: run {key} was read wrong, and nothing said so")
    return False


def _goes_on(trial: Trial, after: str) -> None:
    with trial.run() as command:
        if code := command.ended(trial.row):
            trial.row.error(f"{after}, restored: exit code {code}: {command.said[-500:]}")
    trial.check(after)
    if not trial.complete:
        trial.row.error(f"{after}, restored: {len(trial.known)} runs in the end")


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _flip(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.randint(1, _FLIPS)):
        changed[draw.randrange(len(changed))] ^= draw.randint(1, 255)
    return bytes(changed)


def _blank(content: bytes, draw: random.Random) -> bytes:
    """Return it with some kilobytes of zeros, as a block of a disk that was never written."""
    size = 4096 * draw.randint(1, 8)
    start = 4096 * draw.randrange(len(content) // 4096)
    return (content[:start] + bytes(size) + content[start + size :])[: len(content)]
