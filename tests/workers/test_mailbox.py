"""The mailbox of a driver: what was told arrives, and no stranger tells anything."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Client

import pytest

from paribus.workers.mailbox import MailboxHere
from paribus.workers.messages import EpochDone, StackDone


@pytest.fixture
def mailbox() -> Iterator[MailboxHere]:
    opened = MailboxHere()
    yield opened
    opened.close()


def test_what_a_stack_tells_has_arrived_when_telling_returns(mailbox: MailboxHere) -> None:
    post = pickle.loads(pickle.dumps(mailbox.post(3)))
    post([EpochDone(2), StackDone()])
    assert mailbox.take(0) == [(3, EpochDone(2)), (3, StackDone())]


def test_what_was_not_seen_is_handed_over_again(mailbox: MailboxHere) -> None:
    mailbox.post(1)([EpochDone(1), EpochDone(2)])
    assert mailbox.take(0) == mailbox.take(0)
    mailbox.post(2)([EpochDone(3)])
    assert mailbox.take(1) == [(1, EpochDone(2)), (2, EpochDone(3))]
    assert mailbox.take(3) == []


def test_a_driver_that_waits_is_woken_by_what_comes(
    mailbox: MailboxHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paribus.workers.mailbox._PATIENCE", 3600.0)
    told: list = []
    driver = threading.Thread(
        target=lambda: told.extend(mailbox.take(0, ["a reference"])), daemon=True
    )
    driver.start()
    time.sleep(0.2)
    mailbox.post(1)([EpochDone(1)])
    driver.join(30)
    assert told == [(1, EpochDone(1))]


def test_a_stranger_is_not_listened_to(mailbox: MailboxHere) -> None:
    address = mailbox._listener.address
    with pytest.raises((multiprocessing.AuthenticationError, OSError, EOFError)):
        Client(address, authkey=b"a guess")
    Client(address).close()  # says nothing at all
    mailbox.post(1)([EpochDone(1)])
    assert mailbox.take(0) == [(1, EpochDone(1))]


def test_what_cannot_be_read_is_told_to_who_sent_it(mailbox: MailboxHere) -> None:
    with pytest.raises((EOFError, OSError)):
        mailbox.post(1)([Unreadable()])
    mailbox.post(1)([EpochDone(1)])
    assert mailbox.take(0) == [(1, EpochDone(1))]


class Unreadable:
    def __reduce__(self) -> tuple:
        return int, ("no number",)


def test_a_mailbox_closes_at_any_moment_and_leaves_no_thread() -> None:
    before = threading.active_count()
    for _ in range(100):
        mailbox = MailboxHere()
        mailbox.post(1)([EpochDone(1)])
        mailbox.close()
    assert threading.active_count() == before
