"""Longitude and latitude -> metres in a UTM zone (universal transverse Mercator).

Krueger's series in the third flattening to sixth order, coefficients as in C. F. F. Karney, "Transverse Mercator with
an accuracy of a few nanometers", J. Geodesy 85 (2011), equation 35. Within a zone it is exact to nanometres.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.errors import DataError

Float = NDArray[np.float64]

_RADIUS = 6378137.0
_FLATTENING = 1 / 298.257223563
_SCALE = 0.9996
_FALSE_EASTING, _FALSE_NORTHING = 500_000.0, 10_000_000.0
# Zones of WGS 84 (north, south), and of NAD 83, whose ellipsoid differs by 0.1 mm.
_ZONES = {32600: False, 32700: True, 26900: False}

_N = _FLATTENING / (2 - _FLATTENING)
_ALPHA = tuple(
    float(np.polynomial.polynomial.polyval(_N, (0.0,) * power + terms))
    for power, terms in enumerate(
        (
            (1 / 2, -2 / 3, 5 / 16, 41 / 180, -127 / 288, 7891 / 37800),
            (13 / 48, -3 / 5, 557 / 1440, 281 / 630, -1983433 / 1935360),
            (61 / 240, -103 / 140, 15061 / 26880, 167603 / 181440),
            (49561 / 161280, -179 / 168, 6601661 / 7257600),
            (34729 / 80640, -3418889 / 1995840),
            (212378941 / 319334400,),
        ),
        start=1,
    )
)
_RECTIFYING = _RADIUS / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64 + _N**6 / 256)


def utm_zone(epsg: int) -> tuple[int, bool]:
    """Zone number and whether it is a southern one, of the EPSG code of a UTM system.

    Raises:
        DataError: It is not one of WGS 84 / UTM or NAD 83 / UTM.
    """
    series, zone = epsg // 100 * 100, epsg % 100
    if series not in _ZONES or not 1 <= zone <= 60:
        raise DataError(f"EPSG:{epsg} is not a UTM zone (EPSG:32601 to 32660, 32701 to 32760, 26901 to 26923)")
    return zone, _ZONES[series]


def to_utm(points: ArrayLike, epsg: int) -> Float:
    """Easting and northing ``[..., 2]`` [m] of points ``[..., 2]`` (longitude, latitude [deg], WGS 84)."""
    zone, south = utm_zone(epsg)
    degrees = np.asarray(points, np.float64)
    longitude = np.deg2rad(degrees[..., 0] - (6 * zone - 183))
    tangent = np.tan(np.deg2rad(degrees[..., 1]))
    eccentricity = np.sqrt(_FLATTENING * (2 - _FLATTENING))
    secant = np.hypot(1.0, tangent)
    shear = np.sinh(eccentricity * np.arctanh(eccentricity * tangent / secant))
    conformal = tangent * np.hypot(1.0, shear) - shear * secant
    xi = np.arctan2(conformal, np.cos(longitude))
    eta = np.arcsinh(np.sin(longitude) / np.hypot(conformal, np.cos(longitude)))
    north, east = xi.copy(), eta.copy()
    for order, alpha in enumerate(_ALPHA, start=1):
        north += alpha * np.sin(2 * order * xi) * np.cosh(2 * order * eta)
        east += alpha * np.cos(2 * order * xi) * np.sinh(2 * order * eta)
    return np.stack(
        (
            _FALSE_EASTING + _SCALE * _RECTIFYING * east,
            _FALSE_NORTHING * south + _SCALE * _RECTIFYING * north,
        ),
        axis=-1,
    )
