"""What the processes of one training say to each other in words: that they have arrived, and that one of them failed.

Collectives of tensors give no word of why a rank is missing, and those of the CPU give up after 30 seconds. So each
rank also keeps a connection to rank 0, over which short messages go: one JSON value per line.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import secrets
import selectors
import socket
import threading
import traceback
import weakref
from collections import deque
from typing import Any

from ppocr.errors import PPOCRError, TrainingError

LOGGER = logging.getLogger("ppocr")

CONNECT_SECONDS = 20.0
GRACE_SECONDS = 20.0
"""So long a rank has time to end by itself when another has failed; it may hang in a collective for ever."""
CLOSE_SECONDS = 10.0
TEXT_LIMIT = 4000
DIED = "it ended without a word: killed, out of memory, or crashed; see its log"
FAILED_EXIT_CODE = 1

_SOCKETS: weakref.WeakSet[socket.socket] = weakref.WeakSet()


class Switchboard:
    """Passes the messages of all ranks on; runs in a thread of rank 0.

    A connection that ends without a goodbye means that its process died, of whatever cause: the others are told.

    Args:
        host: Address at which the other ranks reach rank 0.
        world_size: Number of ranks, rank 0 among them.

    Attributes:
        port: Where it listens.
        token: What a process has to know to be let in.

    Raises:
        OSError: There is no port to listen at.
    """

    def __init__(self, host: str, world_size: int) -> None:
        self.world_size = world_size
        self.token = secrets.token_hex(16)
        try:
            self._listener = socket.create_server((host, 0))
        except OSError:  # The address of a container's or machine's outside.
            self._listener = socket.create_server(("", 0))
        _SOCKETS.add(self._listener)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._ranks: dict[int, _Peer] = {}
        self._gone: set[int] = set()
        self._has_failed = False
        self._thread = threading.Thread(target=self._serve, name="switchboard", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until all ranks have said goodbye."""
        self._thread.join(seconds)

    def _serve(self) -> None:
        while len(self._gone) < self.world_size:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._accept()
                else:
                    self._receive(key.data)
        for peer in self._ranks.values():
            peer.connection.close()
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        _SOCKETS.add(connection)
        self._selector.register(connection, selectors.EVENT_READ, _Peer(connection))

    def _receive(self, peer: _Peer) -> None:
        lines = peer.lines()
        for message in lines or ():
            self._handle(peer, message)
        if lines is None:
            self._selector.unregister(peer.connection)
            if peer.rank is not None and peer.rank not in self._gone:
                self._fail(peer.rank, DIED, "")
                self._leave(peer.rank)

    def _handle(self, peer: _Peer, message: dict[str, Any]) -> None:
        if peer.rank is None:
            if message.get("token") == self.token:
                peer.rank = int(message["rank"])
                self._ranks[peer.rank] = peer
                peer.send({"welcome": peer.rank})
            return
        if "value" in message:
            peer.values.append(message["value"])
            self._answer()
        elif "failed" in message:
            self._fail(peer.rank, message["failed"], message["details"])
        elif "bye" in message:
            self._leave(peer.rank)

    def _answer(self) -> None:
        """Give all ranks the values of all, once each has sent one."""
        if len(self._ranks) == self.world_size and all(peer.values for peer in self._ranks.values()):
            values = [self._ranks[rank].values.popleft() for rank in range(self.world_size)]
            for peer in self._ranks.values():
                peer.send({"values": values})
        elif self._gone and any(peer.values for peer in self._ranks.values()):
            self._fail(min(self._gone), "it has ended, and others wait for it", "")

    def _leave(self, rank: int) -> None:
        self._gone.add(rank)
        self._answer()

    def _fail(self, rank: int, what: str, details: str) -> None:
        """Tell the other ranks; what follows from the first failure is not told."""
        if self._has_failed:
            return
        self._has_failed = True
        for other, peer in self._ranks.items():
            if other != rank:
                peer.send({"rank": rank, "failed": what, "details": details})


class _Peer:
    """The connection to one rank, which is unknown until it has said the token."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.rank: int | None = None
        self.values: deque[Any] = deque()
        self._buffer = b""

    def lines(self) -> list[dict[str, Any]] | None:
        """Return the messages that have arrived; None at the end of the connection."""
        try:
            data = self.connection.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        messages = []
        for line in lines:
            with contextlib.suppress(ValueError):  # Not one of ours.
                messages.append(json.loads(line))
        return [message for message in messages if isinstance(message, dict)]

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; one to a process that has died is lost."""
        with contextlib.suppress(OSError):
            self.connection.sendall(json.dumps(message).encode() + b"\n")


class Intercom:
    """One rank's connection to the switchboard.

    Args:
        host: Address of the switchboard.
        port: Its port.
        token: Its token.
        rank: Rank of this process.

    Attributes:
        failure: The error of another rank, once one has failed.

    Raises:
        OSError: The switchboard cannot be reached.
    """

    def __init__(self, host: str, port: int, token: str, rank: int) -> None:
        self.rank = rank
        self.failure: TrainingError | None = None
        self._peer = _Peer(socket.create_connection((host, port), timeout=CONNECT_SECONDS))
        _SOCKETS.add(self._peer.connection)
        self._peer.send({"token": token, "rank": rank})
        if not self._peer.lines():
            raise ConnectionError("the switchboard does not answer")
        self._peer.connection.settimeout(None)
        self._answers: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()
        self._has_failed = threading.Event()
        self._is_closing = False
        self._told: BaseException | None = None
        self._end: threading.Timer | None = None
        threading.Thread(target=self._listen, name="intercom", daemon=True).start()

    def exchange(self, value: Any) -> list[Any]:
        """Return the values of all ranks, by rank; waits for all of them, however long that takes.

        Args:
            value: Something that JSON can hold, small.

        Raises:
            TrainingError: Another rank has failed.
        """
        self.check()
        self._peer.send({"value": value})
        answer = self._answers.get()
        if answer is None:
            self.check()
        assert answer is not None
        return answer

    def check(self) -> None:
        """Do nothing as long as all ranks are well.

        Raises:
            TrainingError: Another rank has failed.
        """
        if self.failure is not None:
            raise self.failure

    def cause_of(self, error: BaseException) -> BaseException:
        """Return what an exception of this rank comes from, and tell the others if it is of this rank's own making.

        When a rank dies, the collectives of the others fail with words about sockets; the cause is the other's error.
        """
        if self._end is not None:
            self._end.cancel()  # This rank ends in an orderly way.
        if error is self.failure or error is self._told:
            return error
        if isinstance(error, Exception) and not isinstance(error, PPOCRError):
            self._has_failed.wait(1.0)  # The word of it may come a moment after the fault.
            if self.failure is not None:
                return self.failure
        self._told = error
        self._peer.send({"failed": _in_a_line(error), "details": _in_words(error)})
        return error

    def close(self) -> None:
        """Say goodbye: this rank has nothing more to do with the others."""
        self._is_closing = True
        if self._end is not None:
            self._end.cancel()
        self._peer.send({"bye": True})

    def _listen(self) -> None:
        while True:
            messages = self._peer.lines()
            for message in messages or ():
                if "values" in message:
                    self._answers.put(message["values"])
                elif "failed" in message:
                    self._fail(message["rank"], message["failed"], message["details"])
            if messages is None:
                if not self._is_closing:
                    self._fail(0, DIED, "")
                self._peer.connection.close()
                return

    def _fail(self, rank: int, what: str, details: str) -> None:
        if self.failure is not None or self._is_closing:
            return
        self.failure = TrainingError(f"rank {rank} failed: {what}", expected="all ranks to go on",
                                     cure=f"see above, and the log of rank {rank}")
        LOGGER.error("Rank %d failed, which ends the training: %s", rank, details or what)
        self._has_failed.set()
        self._answers.put(None)
        self._end = threading.Timer(GRACE_SECONDS, self._end_process)
        self._end.daemon = True
        self._end.start()

    def _end_process(self) -> None:
        LOGGER.error("This process still waits for the failed rank; it is ended now.")
        logging.shutdown()
        os._exit(FAILED_EXIT_CODE)


def _in_a_line(error: BaseException) -> str:
    text = error.what if isinstance(error, PPOCRError) else str(error)
    return f"{type(error).__name__}: " + " ".join(text.split())[:300]


def _in_words(error: BaseException) -> str:
    if isinstance(error, PPOCRError):
        return f"{type(error).__name__}: {error}"
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))[-TEXT_LIMIT:]


def _close_in_child() -> None:
    """Close the connections in a forked process: one that a loader's worker holds would outlive its rank."""
    for connection in list(_SOCKETS):
        with contextlib.suppress(OSError):
            os.close(connection.detach())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
