"""The documents say nothing that the program does not do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from defectmap.cli.app import app
from defectmap.errors import CatalogError, DefectmapError, PhotoError, ShardRefusedError, UsageError
from defectmap.model.defects import Kind

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
GLOBAL = {"--catalog", "--debug", "--version", "--verbose", "--quiet", "--help"}


def _options(command: str) -> set[str]:
    return {name for parameter in COMMANDS[command].params for name in parameter.opts} | GLOBAL


def _calls(text: str) -> list[str]:
    """Return what follows `defectmap` in code: indented lines, and spans between backticks."""
    lines = re.findall(r"^ {4}(.*)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)
    return [
        call.split("  (")[0]
        for line in lines
        for call in re.findall(r"(?:^|[\s/$&])defectmap (?!\|)(.+?)(?:&&|$)", line.strip())
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_in_the_documents_exist(document: Path) -> None:
    """Every command line that a document shows names a command, and only options it has."""
    calls = _calls(document.read_text(encoding="utf-8"))
    assert calls or document.name not in {"README.md", "commands.md", "catalog.md"}
    for call in calls:
        words = re.sub(r"\[--catalog FILE\] \[-v\] \[-q\] \[--debug\] |--catalog \S+ ", "", call).split()
        if words[0] in ("COMMAND", "--version"):
            continue
        assert words[0] in COMMANDS, call
        assert set(re.findall(r"--[a-z-]+", call)) <= _options(words[0]), call


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_options_named_in_passing_exist(document: Path) -> None:
    """An option in backticks belongs to some command."""
    known = set().union(*map(_options, COMMANDS))
    for span in re.findall(r"`(--[a-z-]+)[^`]*`", document.read_text(encoding="utf-8")):
        assert span in known


def test_every_command_and_every_option_is_documented() -> None:
    """docs/commands.md has them all."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        (usage,) = re.findall(rf"^    defectmap {name}\b(.*)$", text, re.MULTILINE)
        long = {option for option in _options(name) - GLOBAL if option.startswith("--")}
        assert long == set(re.findall(r"--[a-z-]+", usage)), name


def test_every_command_has_a_sentence_and_an_example() -> None:
    """The help of a command begins with one sentence and ends with something to paste that works."""
    for name, command in COMMANDS.items():
        first, *_, last = command.help.strip().split("\n\n")
        assert first.endswith(".") and len(first) < 70
        assert last.startswith(f"Example: defectmap {name}")
        assert set(re.findall(r"--[a-z-]+", last)) <= _options(name)


def test_kinds_and_exit_codes_are_documented() -> None:
    """Every kind of defect, and the exit code of every error, has its line."""
    kinds = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    assert all(f"| `{kind}` |" in kinds for kind in Kind)
    codes = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    errors = (DefectmapError, UsageError, CatalogError, ShardRefusedError, PhotoError)
    assert all(f"| {error.exit_code} |" in codes for error in errors)


def test_links_between_documents_lead_somewhere() -> None:
    """A relative link names a file of the project."""
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_readme_has_the_two_lines_that_begin_everything() -> None:
    """Trying it and testing it are one line each."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    installed = "python3 -m venv .venv && .venv/bin/pip install"
    assert f"{installed} . && .venv/bin/defectmap demo\n" in readme
    assert f"{installed} -e '.[dev]' && .venv/bin/pytest -n auto\n" in readme
