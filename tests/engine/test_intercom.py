"""Words between ranks: here threads of one process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ppocr.engine import intercom
from ppocr.engine.intercom import Intercom, Switchboard
from ppocr.errors import ConfigError, TrainingError

RANKS = 3


@pytest.fixture
def switchboard() -> Switchboard:
    return Switchboard("127.0.0.1", RANKS)


@pytest.fixture
def ranks(switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Intercom]]:
    monkeypatch.setattr(Intercom, "_end_process", lambda self: None)
    opened = [Intercom("127.0.0.1", switchboard.port, switchboard.token, rank) for rank in range(RANKS)]
    yield opened
    for rank in opened:
        rank.close()
    switchboard.join(5)
    assert not switchboard._thread.is_alive()


def at_once(calls: list[Any]) -> list[Any]:
    """Make calls in threads of their own; return results or exceptions."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.exception(20) or future.result() for future in [pool.submit(call) for call in calls]]


def wait_until(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_all_get_the_values_of_all_in_the_order_of_the_ranks(ranks: list[Intercom]) -> None:
    for turn in range(5):
        calls = [lambda rank=rank, turn=turn: rank.exchange({"from": rank.rank, "turn": turn}) for rank in ranks]
        expected = [{"from": rank, "turn": turn} for rank in range(RANKS)]
        assert at_once(calls) == [expected] * RANKS


def test_nobody_goes_on_before_the_last_has_come(ranks: list[Intercom]) -> None:
    late, passed = threading.Event(), []

    def wait(rank: Intercom) -> None:
        rank.exchange(None)
        passed.append(late.is_set())

    threads = [threading.Thread(target=wait, args=(rank,)) for rank in ranks[:2]]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    late.set()
    wait(ranks[2])
    for thread in threads:
        thread.join(10)
    assert passed == [True] * RANKS


def test_long_values_arrive_whole(ranks: list[Intercom]) -> None:
    text = "ü" * 300_000
    assert at_once([lambda rank=rank: rank.exchange(text + str(rank.rank)) for rank in ranks])[1] == \
        [text + str(rank) for rank in range(RANKS)]


def test_the_error_of_one_rank_ends_the_waiting_of_the_others(ranks: list[Intercom],
                                                              caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        time.sleep(0.1)
        ranks[1].cause_of(ConfigError("no such file: a.yml", expected="a file", cure="write one"))

    with caplog.at_level(logging.ERROR, logger="ppocr"):
        results = at_once([lambda: ranks[0].exchange(1), fail, lambda: ranks[2].exchange(1)])
    for result in (results[0], results[2]):
        assert isinstance(result, TrainingError)
        assert result.what == "rank 1 failed: ConfigError: no such file: a.yml"
    assert caplog.text.count("Rank 1 failed, which ends the training: ConfigError: no such file: a.yml") == 2
    assert "to do: write one" in caplog.text
    with pytest.raises(TrainingError, match="rank 1 failed"):
        ranks[0].check()


def test_what_fails_in_consequence_is_told_as_the_failure_of_the_other(ranks: list[Intercom]) -> None:
    own = ValueError("the cause")
    assert ranks[2].cause_of(own) is own
    wait_until(lambda: ranks[0].failure)
    reset = RuntimeError("Connection reset by peer")
    cause = ranks[0].cause_of(reset)
    assert isinstance(cause, TrainingError)
    assert cause.what == "rank 2 failed: ValueError: the cause"
    assert ranks[0].cause_of(cause) is cause
    mistake = ConfigError("of its own")  # Not of a kind that another rank's death could cause.
    assert ranks[1].cause_of(mistake) is mistake


def test_a_rank_that_dies_is_missed(ranks: list[Intercom]) -> None:
    ranks[1]._peer.connection.shutdown(2)  # What the system does for a killed process.
    wait_until(lambda: ranks[0].failure and ranks[2].failure)
    with pytest.raises(TrainingError, match="rank 1 failed: it ended without a word: killed"):
        ranks[2].exchange(None)


def test_a_rank_that_has_ended_is_not_waited_for(ranks: list[Intercom]) -> None:
    ranks[1].close()
    with pytest.raises(TrainingError, match="rank 1 failed: it has ended, and others wait for it"):
        ranks[0].exchange(None)


def test_a_process_that_cannot_end_by_itself_is_ended(switchboard: Switchboard,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(intercom, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(Intercom, "_end_process", lambda self: ended.append(self.rank))
    ranks = [Intercom("127.0.0.1", switchboard.port, switchboard.token, rank) for rank in range(RANKS)]
    ranks[0].cause_of(ConfigError("a mistake"))
    wait_until(lambda: ranks[1].failure)
    ranks[1].cause_of(RuntimeError("Connection reset"))  # Ends in an orderly way.
    wait_until(lambda: ended)
    assert ended == [2]
    for rank in ranks:
        rank.close()


def test_strangers_are_not_let_in(switchboard: Switchboard) -> None:
    with pytest.raises(OSError, match="timed out|does not answer"):
        monkey = pytest.MonkeyPatch()
        monkey.setattr(intercom, "CONNECT_SECONDS", 0.3)
        try:
            Intercom("127.0.0.1", switchboard.port, "a guess", 1)
        finally:
            monkey.undo()
