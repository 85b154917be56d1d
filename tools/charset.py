"""Write a dictionary for fine-tuning: ``ppocr charset --model PP-OCRv4_mobile_rec --labels train.txt --output d.txt``.

The dictionary holds the characters of a model in its order, and behind them what your labels have besides (--labels)
or what you name (--add). Training with it keeps all that the model knows of its characters and learns the new ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.charset import PIECE, Charset
from ppocr.commands import run_command
from ppocr.data.label_file import LabelFile
from ppocr.errors import CharsetError, SampleError
from ppocr.fileio import atomic_write
from ppocr.pretrained.sources import exported_folder

SPACE = " "


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="MODEL",
                        help="folder of an exported recognizer, or name of a published one (see ppocr models)")
    parser.add_argument("--labels", nargs="+", default=[], metavar="FILE", help="label files of your words")
    parser.add_argument("--add", default="", metavar="CHARACTERS", help="further characters, in one word")
    parser.add_argument("--output", required=True, metavar="FILE", help="the dictionary")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    output = Path(arguments.output)
    charset = charset_of(arguments.model)
    if charset.right_to_left and not any(script in output.stem.lower() for script in ("arabic", "hebrew")):
        raise CharsetError(f"{arguments.model} reads from right to left, and the name {output.name} does not tell so",
                           expected="arabic or hebrew in the name of the dictionary", cure="correct --output")
    texts = [arguments.add, *(text for file in arguments.labels for text in texts_of(file))]
    # Not Charset.unknown_characters: a model that is blind to case learns capitals as further characters.
    new = list(dict.fromkeys(symbol for text in texts for symbol in PIECE.findall(text) if symbol not in charset))
    symbols, use_space = extended(charset, new)
    with atomic_write(output, "w") as stream:
        stream.write("".join(f"{symbol}\n" for symbol in symbols))
    print(f"{output}: the {len(charset)} characters of {arguments.model} and {len(new)} new: "
          f"{''.join(new) or 'none'}")
    print(f"Train with -o Global.character_dict_path={output} Global.use_space_char={str(use_space).lower()}")
    return 0


def charset_of(model: str) -> Charset:
    """Return the characters of an exported recognizer.

    Raises:
        CharsetError: There is no such model, or it does not tell its characters.
    """
    folder = exported_folder(model)
    charset = folder.description.charset if folder is not None and folder.description is not None else None
    if charset is None:
        raise CharsetError(f"{model} does not tell its characters",
                           expected="the folder of an exported recognizer, or the name of a published one "
                                    "(ppocr models lists them)", cure="correct --model")
    return charset


def texts_of(path: str) -> list[str]:
    """Return the texts of a label file; lines that cannot be used are left for the training to name."""
    file = LabelFile(path)
    texts = []
    for position in range(len(file)):
        try:
            texts.append(file.parse(position).label)
        except SampleError:
            continue
    return texts


def extended(charset: Charset, new: Sequence[str]) -> tuple[list[str], bool]:
    """Return the lines of a dictionary, and whether ``use_space_char`` has to add the space behind them."""
    ends_with_space = charset.symbols[-1] == SPACE
    known = charset.symbols[:-1] if ends_with_space else charset.symbols
    return [*known, *(symbol for symbol in new if symbol != SPACE)], ends_with_space or SPACE in new


if __name__ == "__main__":
    sys.exit(run_command(main))
