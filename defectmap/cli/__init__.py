"""The command line: parse, call a verb, print, exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of this process by default.

    Returns
    -------
    int
        The exit code.
    """
    from defectmap.cli.app import run  # noqa: PLC0415 - so that importing the package stays cheap

    return run(sys.argv[1:] if arguments is None else arguments)
