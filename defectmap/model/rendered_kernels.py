"""Small dense linear algebra of :mod:`defectmap.model.rendered`, compiled.

Written out rather than left to the threaded library behind numpy: for a few hundred rows its threads
cost more than they give, and where several photos are repaired at once they stop each other for seconds.
"""

# numba infers the types; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _cholesky(matrix):
    """Replace the lower triangle of a positive definite matrix by its Cholesky factor."""
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            total = np.float64(0.0)
            for k in range(j):
                total += matrix[i, k] * matrix[j, k]
            if i == j:
                matrix[i, i] = np.sqrt(max(matrix[i, i] - total, 1e-9))
            else:
                matrix[i, j] = (matrix[i, j] - total) / matrix[j, j]


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _forward(factor, values):
    """Solve the lower triangular system in place."""
    for i in range(len(values)):
        total = np.float64(0.0)
        for k in range(i):
            total += factor[i, k] * values[k]
        values[i] = (values[i] - total) / factor[i, i]


@nb.njit(cache=True, nogil=True)
def _backward(factor, values):
    """Solve the transposed lower triangular system in place."""
    for i in range(len(values) - 1, -1, -1):
        values[i] /= factor[i, i]
        for k in range(i):
            values[k] -= factor[i, k] * values[i]


@nb.njit(cache=True, nogil=True)
def condition(covariance, values, outside):
    """Condition Gaussian values on the first `outside` of them; overwrites its arguments.

    Returns the precision of the others, this times their distance from their expectation, and the squared
    Mahalanobis distance of the first.
    """
    _cholesky(covariance)
    _forward(covariance, values)
    energy = np.float64(0.0)
    for i in range(outside):
        energy += values[i] * values[i]
    # The factor's last corner is that of the conditional covariance.
    corner = covariance[outside:, outside:].copy()
    pull = values[outside:].copy()
    _backward(corner, pull)
    count = len(pull)
    precision = np.zeros((count, count))
    for i in range(count):
        precision[i, i] = 1.0
        _forward(corner, precision[i])
        _backward(corner, precision[i])
    return precision, pull, energy


@nb.njit(cache=True, nogil=True)
def weigh(precision, pull, shapes, free, amplitudes):
    """Return the gain in log likelihood and the expected spot of each amplitude.

    The spot's covariance is ``amplitude**2 * (shapes.T @ shapes + diag(free))``.
    """
    rank, count = shapes.shape
    size = rank + count
    root = np.sqrt(free)
    # With B = [shapes.T, diag(root)], all that is needed is the small matrix B.T @ precision @ B.
    held = np.zeros((rank, count))
    inner = np.zeros((size, size))
    force = np.zeros(size)
    for r in range(rank):
        for i in range(count):
            force[r] += shapes[r, i] * pull[i]
            for j in range(count):
                held[r, j] += shapes[r, i] * precision[i, j]
    for i in range(count):
        force[rank + i] = root[i] * pull[i]
        for j in range(i + 1):
            inner[rank + i, rank + j] = root[i] * precision[i, j] * root[j]
    for r in range(rank):
        for i in range(count):
            inner[rank + i, r] = held[r, i] * root[i]
            for s in range(r + 1):
                inner[r, s] += held[r, i] * shapes[s, i]
    gains = np.zeros(len(amplitudes))
    changes = np.zeros((len(amplitudes), count))
    system = np.zeros((size, size))
    for a in range(len(amplitudes)):
        power = amplitudes[a] ** 2
        for i in range(size):
            for j in range(i + 1):
                system[i, j] = power * inner[i, j]
            system[i, i] += 1.0
        _cholesky(system)
        answer = force.copy()
        _forward(system, answer)
        _backward(system, answer)
        for i in range(count):
            changes[a, i] = root[i] * answer[rank + i]
            for r in range(rank):
                changes[a, i] += shapes[r, i] * answer[r]
            changes[a, i] *= power
            gains[a] += 0.5 * pull[i] * changes[a, i]
        for i in range(size):
            gains[a] -= np.log(system[i, i])
    return gains, changes
