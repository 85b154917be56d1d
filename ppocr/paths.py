"""Where the scripts and the shipped configurations are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def project_folder(name: str) -> Path | None:
    """Return the folder ``tools`` or ``configs`` of the project, or None when this installation has none.

    The checkout's own folder wins, so that an editable installation never runs a stale copy.

    Args:
        name: ``"tools"`` or ``"configs"``.
    """
    # Beside an installed package lies all of site-packages, which may hold somebody else's `tools`.
    is_checkout = (PACKAGE.parent / "pyproject.toml").is_file()
    for folder in ([PACKAGE.parent / name] if is_checkout else []) + [PACKAGE / name]:
        if folder.is_dir():
            return folder
    return None
