"""Which coefficients to take back a step so that changed blocks take no more bytes than before.

A block that changes its length in bits moves all that follow to other places within their bytes, where
others happen to be FF and must be stuffed: the file grows or shrinks by chance, by far more than the block.
Where the change is a multiple of 8 bits nothing behind it changes at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

_MOST: Final = 18  # coefficients to choose from
_TOGETHER: Final = 4  # at the most


def choices(savings: Sequence[int], change: int, credit: int) -> Iterator[tuple[int, ...]]:
    """Yield sets of coefficients that seem to keep the bytes aligned, those of fewest coefficients first.

    Parameters
    ----------
    savings : sequence of int
        Bits saved by each coefficient alone, the least visible first.
    change : int
        Bits by which the blocks have become longer.
    credit : int
        Bits that may remain of it, saved elsewhere.

    Yields
    ------
    tuple of int
        Indices into `savings`. What they save together may differ where they are neighbours in a block.
    """
    indices = range(min(len(savings), _MOST))
    for size in range(_TOGETHER + 1):
        for chosen in combinations(indices, size):
            rest = change - sum(savings[i] for i in chosen)
            if rest % 8 == 0 and rest <= credit:
                yield chosen
