"""The charset that a configuration asks for: a dictionary file, or the characters of an exported model."""

from __future__ import annotations

import logging

from ppocr.charset import Charset
from ppocr.errors import CharsetError
from ppocr.pretrained.sources import exported_folder
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")


def configured_charset(options: Section) -> Charset:
    """Return the charset that ``Global.character_dict_path`` and ``Global.use_space_char`` describe.

    ``character_dict_path`` may name an exported model, by its folder or its published name: its characters, in its
    order, with the space if it has one.

    Raises:
        CharsetError: The dictionary cannot be used, or the exported model has no characters.
    """
    path = options["character_dict_path"]
    folder = exported_folder(path) if path else None
    if folder is None:
        return Charset.from_config(path, options["use_space_char"])
    charset = folder.description.charset if folder.description else None
    if charset is None:
        raise CharsetError(f"{where(options, 'character_dict_path')}: {folder.path} does not tell its characters",
                           expected="a recognizer with a charset in its inference.yml, or a dictionary file",
                           cure="give the dictionary with which the model was trained")
    if options["use_space_char"] and " " not in charset:
        LOGGER.info("%s adds the space to the %d characters of %s.", where(options, "use_space_char"), len(charset),
                    folder.path)
        charset = Charset((*charset.symbols, " "), charset.lowercase, charset.right_to_left)
    return charset
