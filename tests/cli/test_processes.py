"""The program as a process of its own: start-up, signals, pipes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "defectmap"]


def _run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_help_loads_nothing_heavy() -> None:
    """--help imports neither numpy nor a decoder nor the database, so it answers at once."""
    code = (
        "import sys, defectmap.cli\n"
        "assert defectmap.cli.main(['ingest', '--help']) == 0\n"
        "heavy = {'numpy', 'numba', 'rawpy', 'sqlalchemy', 'alembic', 'PIL', 'exiv2', 'tifffile'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Example: defectmap ingest ~/Pictures" in result.stdout


def test_nothing_new_needs_no_decoder(ready: Path, photos: Path, tmp_path: Path) -> None:
    """Where all photos are known, no decoder, no reader of metadata and no compiler is loaded."""
    code = (
        "import sys, defectmap.cli\n"
        "assert defectmap.cli.main(sys.argv[1:]) == 0\n"
        "heavy = {'numba', 'rawpy', 'alembic', 'PIL', 'exiv2', 'tifffile', 'distributed'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)"
    )
    shutil.copyfile(ready, tmp_path / "catalog.sqlite")
    words = ["--catalog", str(tmp_path / "catalog.sqlite"), "ingest", str(photos)]
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("0 photos added")


def test_a_usage_error_ends_with_2() -> None:
    """A command that does not exist: exit code 2, nothing on stdout."""
    result = _run("nonsense")
    assert (result.returncode, result.stdout) == (2, "")


def test_piped_output_is_plain(ready: Path) -> None:
    """No escape codes, no lines of boxes, no progress: plain columns and plain sentences."""
    result = _run("--catalog", ready, "defects")
    assert result.returncode == 0
    assert "\x1b" not in result.stdout + result.stderr
    assert result.stdout.isascii() and result.stderr.isascii()
    assert result.stdout.splitlines()[0].split()[:3] == ["row", "col", "kind"]


def test_json_is_one_document(ready: Path) -> None:
    """Stdout is one JSON document even when talk goes to stderr."""
    result = _run("--catalog", ready, "-v", "defects", "--json")
    assert len(json.loads(result.stdout)["defects"]) == 3


def test_an_error_has_a_traceback_only_with_debug(tmp_path: Path) -> None:
    """A sentence by default, the place it comes from with --debug."""
    other = tmp_path / "notes.txt"
    other.write_text("no catalog")
    plain = _run("--catalog", other, "cameras")
    assert (plain.returncode, plain.stderr.count("\n")) == (4, 1)
    debugged = _run("cameras", "--debug", "--catalog", other)
    assert debugged.returncode == 4 and "Traceback" in debugged.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
@pytest.mark.parametrize(
    "words",
    [["defects", "--json"], ["defects"], ["variance", "--top", "5000"], ["-v", "cameras"]],
    ids=" ".join,
)
def test_a_reader_that_has_seen_enough_is_no_error(ready: Path, words: list[str]) -> None:
    """As in `defectmap defects | head -1`: quiet, and no failure."""
    program = subprocess.Popen(
        [*PROGRAM, "--catalog", str(ready), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None and program.stderr is not None
    program.stdout.close()
    assert program.stderr.read() == b""
    assert program.wait(timeout=60) == 0
    program.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", [["cameras"], ["cameras", "--json"]], ids=" ".join)
def test_a_full_disk_behind_stdout_is_named(ready: Path, words: list[str]) -> None:
    """Exit code 1 and one sentence that says what is full: not a photo, not the catalog."""
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*PROGRAM, "--catalog", str(ready), *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == "defectmap: standard output cannot be written: no space left on device\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such shell")
def test_a_closed_stdout_is_told(ready: Path) -> None:
    """As in `defectmap cameras >&-`: exit code 1 and one sentence."""
    words = [*PROGRAM, "--catalog", str(ready), "cameras"]
    result = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *words], stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("defectmap: standard output is closed")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_keeps_what_was_done(photos: Path, tmp_path: Path, workers: str) -> None:
    """Interrupted in the middle: exit code 130, one sentence, a whole catalog, and the next run goes on."""
    catalog = tmp_path / "catalog.sqlite"
    started = subprocess.Popen(
        [*PROGRAM, "--catalog", str(catalog), "ingest", str(photos), "--workers", workers],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not catalog.exists() and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out) == (130, "")
    assert err.startswith("defectmap: interrupted") and err.count("\n") == 1
    assert _run("--catalog", catalog, "check").returncode == 0
    again = json.loads(_run("--catalog", catalog, "ingest", photos, "--workers", "1", "--json").stdout)
    assert again["ingested"] + again["known"] == 32
