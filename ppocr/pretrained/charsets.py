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
        HubError: It is nearly the name of a published model.
    """
    path, use_space = options["character_dict_path"], bool(options["use_space_char"])
    if not path:
        return Charset.from_config(None, use_space)
    return named_charset(path, use_space, where(options, "character_dict_path"))


def named_charset(path: str, use_space: bool, place: str) -> Charset:
    """Return the characters of a dictionary file or of an exported model.

    Args:
        path: The file, the folder of a recognizer, or its published name.
        use_space: Add the space; to the characters of a model only if it has none.
        place: Where `path` stands in the configuration.

    Raises:
        CharsetError: The dictionary cannot be used, or the exported model has no characters.
        HubError: It is nearly the name of a published model.
    """
    folder = exported_folder(path)
    if folder is None:
        return Charset.from_file(path, use_space=use_space)
    charset = folder.description.charset if folder.description else None
    if charset is None:
        raise CharsetError(f"{place}: {folder.path} does not tell its characters",
                           expected="a recognizer with a charset in its inference.yml, or a dictionary file",
                           cure="give the dictionary with which the model was trained")
    if use_space and " " not in charset:
        LOGGER.info("%s: the space is added to the %d characters of %s.", place, len(charset), folder.path)
        charset = Charset((*charset.symbols, " "), charset.lowercase, charset.right_to_left)
    return charset
