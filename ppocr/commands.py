"""What every command shares: its options, and errors that are told instead of thrown."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence

from ppocr.errors import PPOCRError

USER_ERROR = 2
INTERRUPTED = 130


def base_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with ``-c/--config`` and ``-o/--opt``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="configuration file (YAML)")
    parser.add_argument("-o", "--opt", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
                        help="set single values, such as Global.epoch_num=5 Train.dataset.transforms.RecAug.tia_prob=0")
    return parser


def run_command(command: Callable[[Sequence[str] | None], int], arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; errors addressed to the user are printed without a traceback.

    Args:
        command: Takes the arguments, returns the exit code.
        arguments: The command line without the program's name; None takes ``sys.argv``.
    """
    # Paddle warns on every import that ccache, which only compiling operators needs, is not installed.
    warnings.filterwarnings("ignore", message="No ccache found")
    # Its batch norm warns in every training that it does what it is there for.
    warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")
    try:
        return command(arguments)
    except PPOCRError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
