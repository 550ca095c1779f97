"""Huffman tables made for what they have to code."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from defectmap.media.jpegcodec.tables import HuffmanTable, huffman_table

_LONGEST = 16


def optimal_table(counts: NDArray[np.int64]) -> HuffmanTable:
    """Return the table that codes given symbols in the fewest bits (T.81 K.2).

    Parameters
    ----------
    counts : ndarray of shape (256,), int64
        How often each symbol occurs.

    Returns
    -------
    HuffmanTable
        No code is longer than 16 bits, and none consists of 1 bits alone.
    """
    weights = {symbol: int(n) for symbol, n in enumerate(counts) if n}
    weights[256] = 1  # takes the code of 1 bits alone
    groups = {symbol: [symbol] for symbol in weights}
    lengths = dict.fromkeys(weights, 0)
    # Of equally rare ones the later symbol first, so that number 256 is among the longest.
    rarest = [(weight, -symbol) for symbol, weight in weights.items()]
    heapq.heapify(rarest)
    while len(rarest) > 1:
        (one, first), (other, second) = heapq.heappop(rarest), heapq.heappop(rarest)
        heapq.heappush(rarest, (one + other, first))
        groups[-first] += groups.pop(-second)
        for symbol in groups[-first]:
            lengths[symbol] += 1
    per_length = np.bincount(list(lengths.values()), minlength=_LONGEST + 1)
    for long in range(len(per_length) - 1, _LONGEST, -1):
        while per_length[long]:
            shorter = long - 2
            while not per_length[shorter]:
                shorter -= 1
            per_length[long] -= 2
            per_length[long - 1] += 1
            per_length[shorter + 1] += 2
            per_length[shorter] -= 1
    longest = int(np.flatnonzero(per_length)[-1])
    per_length[longest] -= 1  # number 256
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    return huffman_table(bytes(per_length[1 : _LONGEST + 1].tolist()), bytes(order.tolist()))
