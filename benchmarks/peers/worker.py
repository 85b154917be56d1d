"""The process in which one side of a comparison does its work, asked for by lines of JSON.

A request is ``{"task": name, "input": file or null, "output": file or null, …}``; the answer is ``{"seconds": […], …}``
or ``{"error": text}``. Arrays travel in files (`arrays`). A side that is not asked waits, so that the other one has the
processor to itself.

Seconds are processor time of all threads of the process: neighbours on a shared machine do not count, and threads win
nothing.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from arrays import Arrays, read_arrays, write_arrays

Request = dict[str, Any]
Answer = dict[str, Any]
Task = Callable[[Request, Arrays], tuple[Answer, Arrays]]


def serve(tasks: dict[str, Task]) -> None:
    """Answer requests until the input ends."""
    # Whatever packages print goes to the error output; the real one carries the answers only.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            given = read_arrays(request["input"]) if request.get("input") else {}
            answer, arrays = tasks[request["task"]](request, given)
            if request.get("output"):
                write_arrays(request["output"], arrays)
        except Exception:  # noqa: BLE001 - it is sent to the process that asked
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def timed(prepare: Callable[[], Any], work: Callable[[Any], Any], repeats: int) -> tuple[list[float], Any]:
    """Return the seconds of every call, and the last result.

    Args:
        prepare: Makes what `work` takes; not measured, so that work that changes its input always gets a fresh one.
        work: What is measured.
        repeats: How many calls are measured; one more comes before them.
    """
    seconds, result = [], None
    for _ in range(repeats + 1):
        given = prepare()
        gc.collect()
        started = time.process_time()
        result = work(given)
        seconds.append(time.process_time() - started)
    return seconds[1:], result
