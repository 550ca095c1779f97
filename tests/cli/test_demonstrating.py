"""``demo`` as it is typed."""

from __future__ import annotations

from pathlib import Path

from .conftest import Call


def test_a_file_is_no_place_for_a_demo(call: Call, tmp_path: Path) -> None:
    """Exit code 2 and a sentence that says so; the file is left as it was."""
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear aunt")
    result = call("demo", letter)
    assert (result.code, result.out) == (2, "")
    assert f"{letter} is a file" in result.err
    assert letter.read_text() == "Dear aunt"
