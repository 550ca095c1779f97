"""The tone curve between a sensor and its JPEGs, near enough to tell what was added before it.

Cameras follow the transfer curve of sRGB (IEC 61966-2-1) more or less closely, and that is close to a power
of 1 / 2.2. What is added to the light shows much in shade and little in sunshine, and never more than white.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GAMMA = 2.2
_WHITE = 255.0
_SHADE = 8.0
"""Level in DN below which the curve is taken to be as steep as there: the real one is straight near black."""

_Floats = NDArray[np.float64]


def behind_curve(light: _Floats, added: _Floats, usual: float) -> _Floats:
    """Return by how much a pixel is brighter for what was added before the tone curve.

    Parameters
    ----------
    light : ndarray, float64
        Level of the pixel without it, in DN of the JPEG.
    added : ndarray, float64
        In DN of the JPEG at the usual level, as far as it is small. Broadcasts against `light`.
    usual : float
        That level.

    Returns
    -------
    ndarray, float64
        In DN, negative for a darker pixel.

    Examples
    --------
    >>> [float(x.round(1)) for x in behind_curve(np.array([20.0, 80.0, 200.0]), np.array([5.0] * 3), 80.0)]
    [17.1, 4.8, 1.7]
    """
    level = np.clip(light, 1.0, _WHITE)
    linear = np.clip(level**_GAMMA + added / _slope(usual), 0.0, _WHITE**_GAMMA)
    return np.asarray(linear ** (1.0 / _GAMMA) - level)


def before_curve(light: _Floats, excess: _Floats, usual: float) -> _Floats:
    """Return what was added before the tone curve: the inverse of :func:`behind_curve`.

    Parameters
    ----------
    light, excess : ndarray, float64
        In DN of the JPEG.
    usual : float

    Returns
    -------
    ndarray, float64
    """
    level = np.clip(light, 1.0, _WHITE)
    return np.asarray((np.clip(level + excess, 0.0, _WHITE) ** _GAMMA - level**_GAMMA) * _slope(usual))


def _slope(level: float) -> float:
    return float(max(level, _SHADE) ** (1.0 - _GAMMA)) / _GAMMA
