"""Small dense linear algebra of :mod:`defectmap.model.rendered` and what it rests on, compiled.

Written out rather than left to the threaded library behind numpy: for a few hundred rows its threads
cost more than they give, and where several photos are repaired at once they stop each other for seconds.
"""

# numba infers the types; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import numba as nb
import numpy as np

TRUSTED, WANTED, UNKNOWN = 0, 1, 2
"""What the samples of a rectangle are to :func:`condition`."""

_HALF = np.sqrt(0.5)


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def cholesky(matrix):
    """Replace the lower triangle of a positive definite matrix by its Cholesky factor."""
    # Column by column: the rows of one do not wait for each other.
    for j in range(matrix.shape[0]):
        total = np.float64(0.0)
        for k in range(j):
            total += matrix[j, k] * matrix[j, k]
        matrix[j, j] = np.sqrt(max(matrix[j, j] - total, 1e-9))
        inverse = 1.0 / matrix[j, j]
        for i in range(j + 1, matrix.shape[0]):
            total = np.float64(0.0)
            for k in range(j):
                total += matrix[i, k] * matrix[j, k]
            matrix[i, j] = (matrix[i, j] - total) * inverse


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def forward(factor, values, start):
    """Solve the lower triangular system in place; the values before `start` are zeros."""
    for i in range(start, len(values)):
        total = np.float64(0.0)
        for k in range(start, i):
            total += factor[i, k] * values[k]
        values[i] = (values[i] - total) / factor[i, i]


@nb.njit(cache=True, nogil=True)
def backward(factor, values):
    """Solve the transposed lower triangular system in place."""
    for i in range(len(values) - 1, -1, -1):
        values[i] /= factor[i, i]
        for k in range(i):
            values[k] -= factor[i, k] * values[i]


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(one, other):
    total = np.float64(0.0)
    for i in range(len(one)):
        total += one[i] * other[i]
    return total


@nb.njit(cache=True, nogil=True)
def _half_precision(covariance, values, start):
    """Precision of the values from `start` on given those before, this times their distance, and energy."""
    cholesky(covariance)
    forward(covariance, values, 0)
    energy = _dot(values, values)
    # The factor's last corner is that of the conditional covariance.
    corner = covariance[start:, start:].copy()
    pull = values[start:].copy()
    backward(corner, pull)
    count = len(pull)
    # Columns of the factor's inverse, as rows.
    inverse = np.zeros((count, count))
    for i in range(count):
        inverse[i, i] = 1.0
        forward(corner, inverse[i], i)
    precision = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1):
            precision[i, j] = precision[j, i] = _dot(inverse[i, i:], inverse[j, i:])
    return precision, pull, energy


@nb.njit(cache=True, nogil=True)
def _halves(table, values, order):
    """Covariances and values of the sums, and of the differences, of opposite samples of a rectangle."""
    rows, cols = values.shape
    flat, count, pairs = values.ravel(), rows * cols, len(order)
    sums, differences = np.empty((pairs, pairs)), np.empty((pairs, pairs))
    sum_values, difference_values = np.empty(pairs), np.empty(pairs)
    for i in range(pairs):
        p = order[i]
        opposite = count - 1 - p
        # The middle of an odd count is its own opposite.
        own = _HALF if p == opposite else 1.0
        sum_values[i] = (flat[p] + flat[opposite]) * _HALF * own
        difference_values[i] = (flat[p] - flat[opposite]) * _HALF
        row, col = p // cols, p % cols
        for j in range(i + 1):
            there = order[j]
            r, c = there // cols, there % cols
            near = table[row - r, col - c]
            far = table[row - (rows - 1 - r), col - (cols - 1 - c)]
            other = _HALF if there == count - 1 - there else 1.0
            sums[i, j] = (near + far) * own * other
            differences[i, j] = near - far
        if p == opposite:
            differences[i, i] = 1.0
    return sums, differences, sum_values, difference_values


@nb.njit(cache=True, nogil=True)
def _marginal(precision, pull, dropped):
    """Leave out the first of some values: precision and pull of the others, and the energy of all.

    Overwrites its arguments.
    """
    cholesky(precision)
    forward(precision, pull, 0)
    # The last corner of the factor is that of the precision without the first.
    count = len(pull) - dropped
    left, left_pull = np.empty((count, count)), np.empty(count)
    for i in range(count):
        line = precision[dropped + i, dropped : dropped + i + 1]
        left_pull[i] = _dot(line, pull[dropped : dropped + i + 1])
        for j in range(i + 1):
            left[i, j] = left[j, i] = _dot(line[: j + 1], precision[dropped + j, dropped : dropped + j + 1])
    return left, left_pull, _dot(pull, pull)


@nb.njit(cache=True, nogil=True)
def condition(table, values, kinds):
    """Condition a rectangle of a stationary Gaussian scene on its trusted samples.

    A rectangle turned by half a turn has the same covariance. So sums and differences of opposite samples
    are independent, and two matrices of half the size take the place of one.

    Parameters
    ----------
    table : ndarray of float64
        Covariance by lag; negative lags from the end.
    values : ndarray of shape (rows, columns), float64
    kinds : ndarray of shape (rows, columns), uint8
        TRUSTED; WANTED; or UNKNOWN, whose value tells nothing.

    Returns
    -------
    precision : ndarray of shape (wanted, wanted), float64
        Of the wanted samples in the order of rows, given the trusted ones.
    pull : ndarray of shape (wanted,), float64
        This times their distance from their expectation.
    energy : float
        Squared Mahalanobis distance of the trusted samples.
    """
    kind = kinds.ravel()
    count = len(kind)
    pairs = (count + 1) // 2
    # Pairs of trusted samples first: the others are conditioned on them.
    order = np.empty(pairs, np.int64)
    start = np.int64(0)
    for p in range(pairs):
        if kind[p] == TRUSTED and kind[count - 1 - p] == TRUSTED:
            order[start] = p
            start += 1
    end = start
    place = np.zeros(count, np.int64)
    for p in range(pairs):
        if kind[p] != TRUSTED or kind[count - 1 - p] != TRUSTED:
            order[end] = p
            place[p] = place[count - 1 - p] = end - start
            end += 1
    sums, differences, sum_values, difference_values = _halves(table, values, order)
    even, even_pull, even_energy = _half_precision(sums, sum_values, start)
    odd, odd_pull, odd_energy = _half_precision(differences, difference_values, start)
    # Unknown samples before the wanted ones, to be left out.
    listed = np.empty(count, np.int64)
    size, dropped = np.int64(0), np.int64(0)
    for what in (UNKNOWN, WANTED):
        dropped = size
        for i in range(count):
            if kind[i] == what:
                listed[size] = i
                size += 1
    joint, joint_pull = np.empty((size, size)), np.empty(size)
    for i in range(size):
        a = listed[i]
        p, middle = place[a], 2 * a == count - 1
        in_sum = 1.0 if middle else _HALF
        in_difference = 0.0 if middle else (_HALF if 2 * a < count else -_HALF)
        joint_pull[i] = in_sum * even_pull[p] + in_difference * odd_pull[p]
        for j in range(i + 1):
            b = listed[j]
            q, middle = place[b], 2 * b == count - 1
            joint[i, j] = in_sum * (1.0 if middle else _HALF) * even[p, q]
            if not middle:
                joint[i, j] += in_difference * (_HALF if 2 * b < count else -_HALF) * odd[p, q]
    precision, pull, known = _marginal(joint, joint_pull, dropped)
    return precision, pull, even_energy + odd_energy - known


@nb.njit(cache=True, nogil=True)
def respond(precision, pull, shapes, free, amplitudes):
    """Tell what one plane says to spots of a few kinds and amplitudes.

    A spot is ``heights @ shapes`` plus a free part of variance ``amplitude**2 * free``. For each kind and
    amplitude the free part is integrated out; what is left depends on the heights alone.

    Parameters
    ----------
    precision : ndarray of shape (samples, samples), float64
    pull : ndarray of shape (samples,), float64
    shapes : ndarray of shape (sites, samples), float64
        Zero where any kind has no free part.
    free : ndarray of shape (kinds, samples), float64
    amplitudes : ndarray of shape (amplitudes,), float64

    Returns
    -------
    gain : ndarray of shape (kinds, amplitudes), float64
        In log likelihood without shapes.
    force : ndarray of shape (kinds, amplitudes, sites), float64
    stiffness : ndarray of shape (kinds, amplitudes, sites, sites), float64
        It grows by ``heights @ force - heights @ stiffness @ heights / 2``.
    answers : ndarray of shape (kinds, amplitudes, 1 + sites, samples), float64
        Expected free part without shapes, and how much less it is per unit of each height.
    """
    kinds, count = free.shape
    sites, strengths = len(shapes), len(amplitudes)
    gain = np.zeros((kinds, strengths))
    force = np.zeros((kinds, strengths, sites))
    stiffness = np.zeros((kinds, strengths, sites, sites))
    answers = np.zeros((kinds, strengths, 1 + sites, count))
    against = np.empty((1 + sites, count))
    for i in range(count):
        against[0, i] = pull[i]
        for s in range(sites):
            against[1 + s, i] = _dot(shapes[s], precision[i])
    touched, root = np.empty(count, np.int64), np.empty(count)
    for kind in range(kinds):
        size = np.int64(0)
        for i in range(count):
            if free[kind, i] > 0.0:
                touched[size], root[size] = i, np.sqrt(free[kind, i])
                size += 1
        # Not parts of larger arrays: of these, loops over a row are not compiled to fast ones.
        inner, factor, moved = np.empty((size, size)), np.empty((size, size)), np.empty((1 + sites, size))
        for i in range(size):
            for j in range(i + 1):
                inner[i, j] = root[i] * precision[touched[i], touched[j]] * root[j]
        for a in range(strengths):
            for i in range(size):
                for j in range(i + 1):
                    factor[i, j] = amplitudes[a] ** 2 * inner[i, j]
                factor[i, i] += 1.0
                for s in range(1 + sites):
                    moved[s, i] = amplitudes[a] * root[i] * against[s, touched[i]]
            cholesky(factor)
            for i in range(size):
                gain[kind, a] -= np.log(factor[i, i])
            for s in range(1 + sites):
                forward(factor, moved[s], 0)
            gain[kind, a] += 0.5 * _dot(moved[0], moved[0])
            for s in range(sites):
                force[kind, a, s] = _dot(shapes[s], pull) - _dot(moved[0], moved[1 + s])
                for t in range(sites):
                    stiffness[kind, a, s, t] = _dot(shapes[s], against[1 + t])
                    stiffness[kind, a, s, t] -= _dot(moved[1 + s], moved[1 + t])
            for s in range(1 + sites):
                backward(factor, moved[s])
                for i in range(size):
                    answers[kind, a, s, touched[i]] = amplitudes[a] * root[i] * moved[s, i]
    return gain, force, stiffness, answers


@nb.njit(cache=True, nogil=True)
def survey(values, spoiled, blur, row_ramp, col_ramp, tapered, filled, residual):
    """Take the trend from a window, and fill and taper what is left.

    Parameters
    ----------
    values : ndarray of shape (rows, columns), float64
    spoiled : ndarray of shape (rows, columns), bool
        Samples that tell nothing.
    blur : ndarray of float64
        Weight, by distance in rows or columns, of what a spoiled sample is filled with.
    row_ramp, col_ramp : ndarray of shape (rows,) and (columns,), float64
        The taper.
    tapered, filled, residual : ndarray of float64
        Receive the window at their beginnings.

    Returns
    -------
    float
        Sum of the squared taper over all samples that are not spoiled.
    """
    rows, cols = values.shape
    # Least-squares plane; the small constant keeps it flat where too few samples are left.
    normal, trend = np.zeros((3, 3)), np.zeros(3)
    term = np.ones(3)
    for r in range(rows):
        term[1] = r - 0.5 * (rows - 1)
        for c in range(cols):
            if not spoiled[r, c]:
                term[2] = c - 0.5 * (cols - 1)
                for i in range(3):
                    trend[i] += term[i] * values[r, c]
                    for j in range(i + 1):
                        normal[i, j] += term[i] * term[j]
    for i in range(3):
        normal[i, i] += 1e-6
    cholesky(normal)
    forward(normal, trend, 0)
    backward(normal, trend)
    norm = np.float64(0.0)
    for r in range(rows):
        for c in range(cols):
            rest = values[r, c] - trend[0]
            rest -= trend[1] * (r - 0.5 * (rows - 1)) + trend[2] * (c - 0.5 * (cols - 1))
            residual[r, c] = rest
            filled[r, c] = rest
            if not spoiled[r, c]:
                norm += (row_ramp[r] * col_ramp[c]) ** 2
    along, weights = np.zeros(rows), np.zeros(rows)
    for c in range(cols):
        hole = False
        for r in range(rows):
            hole = hole or spoiled[r, c]
        if not hole:
            continue
        for r in range(rows):
            along[r], weights[r] = 0.0, 0.0
            for there in range(cols):
                if not spoiled[r, there]:
                    along[r] += blur[abs(there - c)] * residual[r, there]
                    weights[r] += blur[abs(there - c)]
        for r in range(rows):
            if spoiled[r, c]:
                total, weight = np.float64(0.0), np.float64(0.0)
                for there in range(rows):
                    total += blur[abs(there - r)] * along[there]
                    weight += blur[abs(there - r)] * weights[there]
                filled[r, c] = total / max(weight, 1e-9)
    for r in range(rows):
        for c in range(cols):
            tapered[r, c] = filled[r, c] * row_ramp[r] * col_ramp[c]
    return norm
