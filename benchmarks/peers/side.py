"""One of the programs that are compared, in a process and perhaps an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from arrays import Arrays, read_arrays, write_arrays
from worker import Answer

from ppocr.errors import PPOCRError

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Side:
    """One of the programs that are compared, in its own process.

    Args:
        name: For messages.
        command: Starts the process.
        folder: Where arrays are exchanged.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self._folder = folder
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         env=environment)

    def __enter__(self) -> Side:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def ask(self, task: str, given: Arrays | None = None, **request: Any) -> tuple[Answer, Arrays]:
        """Send a request and wait for the answer.

        Raises:
            PPOCRError: The side failed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        source, target = self._folder / "input.npz", self._folder / "output.npz"
        if given is not None:
            write_arrays(source, given)
        request |= {"task": task, "input": str(source) if given is not None else None, "output": str(target)}
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: Answer = json.loads(self._process.stdout.readline() or '{"error": "the process has ended"}')
        except BrokenPipeError:
            answer = {"error": "the process has ended"}
        if "error" in answer:
            raise PPOCRError(f"{self.name} failed at {task}: {answer['error']}")
        return answer, read_arrays(target)
