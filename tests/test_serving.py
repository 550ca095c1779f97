"""Worker processes: they end with the process that started them, whatever becomes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import sys
from pathlib import Path
from defectmap.crew import Crew, Task

if __name__ == "__main__":
    with Crew(2) as crew:
        future = crew._submit(Task([], 0))
        future.result()
        print(crew._folder.name, *crew._pool._processes, flush=True)
        sys.stdin.read()
"""


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    """Workers of a killed process end and remove its temporary folder."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        folder, *workers = parent.stdout.readline().split()
        assert Path(folder).is_dir()
        assert all(_lives(int(worker)) for worker in workers)
        parent.kill()
    deadline = time.monotonic() + 10
    while any(_lives(int(worker)) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_lives(int(worker)) for worker in workers)
    assert not Path(folder).exists()
