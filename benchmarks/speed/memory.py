"""The largest resident memory of a process or its workers."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mib(workers: int) -> float:
    """Return the peak in MiB: of this process where it works itself, of the largest worker otherwise."""
    if workers == 1 and _STATUS.exists():
        # Linux counts the memory of the program that started this one into its resource usage.
        (kib,) = re.findall(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
        return int(kib) / 1024
    who = resource.RUSAGE_CHILDREN if workers > 1 else resource.RUSAGE_SELF
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(who).ru_maxrss / unit
