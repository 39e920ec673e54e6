"""Names for the points of the Face Landmarker's mesh. Left and right are the subject's."""

from __future__ import annotations

from dataclasses import dataclass

# The face's outline, clockwise on the picture from the middle of the forehead.
OVAL: tuple[int, ...] = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

LIP_CORNERS = (78, 308)  # inner, right and left
MOUTH_CORNERS = (61, 291)  # outer, right and left

# Rows of the lips from the inner edge outwards, each from the subject's right to left, the corners
# left out; the columns of upper and lower rows face each other.
UPPER_LIP: tuple[tuple[int, ...], ...] = (
    (191, 80, 81, 82, 13, 312, 311, 310, 415),
    (183, 42, 41, 38, 12, 268, 271, 272, 407),
    (184, 74, 73, 72, 11, 302, 303, 304, 408),
    (185, 40, 39, 37, 0, 267, 269, 270, 409),
)
LOWER_LIP: tuple[tuple[int, ...], ...] = (
    (95, 88, 178, 87, 14, 317, 402, 318, 324),
    (96, 89, 179, 86, 15, 316, 403, 319, 325),
    (77, 90, 180, 85, 16, 315, 404, 320, 307),
    (146, 91, 181, 84, 17, 314, 405, 321, 375),
)

# The loop of the inner lips, clockwise from the right corner.
INNER_LIPS: tuple[int, ...] = (78, *UPPER_LIP[0], 308, *reversed(LOWER_LIP[0]))


@dataclass(frozen=True, kw_only=True)
class EyePoints:
    """Landmarks of one eye; the inner points of upper and lower lid face each other."""

    side: str  # the subject's
    upper: tuple[int, ...]  # the upper lid's edge, both corners included
    lower: tuple[int, ...]  # the lower lid's edge without the corners, in the same direction
    iris: tuple[int, ...]  # centre, then four points of the rim

    @property
    def loop(self) -> list[int]:
        """The lids' edge, all the way round."""
        return [*self.upper, *reversed(self.lower)]


EYES: tuple[EyePoints, EyePoints] = (
    EyePoints(
        side="Left",
        upper=(362, 398, 384, 385, 386, 387, 388, 466, 263),
        lower=(382, 381, 380, 374, 373, 390, 249),
        iris=(473, 474, 475, 476, 477),
    ),
    EyePoints(
        side="Right",
        upper=(133, 173, 157, 158, 159, 160, 161, 246, 33),
        lower=(155, 154, 153, 145, 144, 163, 7),
        iris=(468, 469, 470, 471, 472),
    ),
)

EYE_CORNERS = (33, 133, 362, 263)  # right outer and inner, left inner and outer
