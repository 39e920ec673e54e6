"""The vocabulary in which the six stages meet.

Shapes: T video frames, H W pixels, K = 478 landmarks, C = 52 coefficients. Pixel coordinates are
continuous, x right and y down, (0, 0) the outer corner of the top left pixel, whose centre is
(0.5, 0.5). Time is in seconds, angles in radians. Every tensor is float32 on the CPU between
stages, and is never changed in place.

The head's own frame is right-handed: x to the right of the picture, y up, z towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

# Apple ARKit's 52 face coefficients, in the order of ARFaceAnchor.BlendShapeLocation's
# documentation. Left and right are the subject's.
ARKIT_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)

ARKIT_INDEX: dict[str, int] = {name: index for index, name in enumerate(ARKIT_NAMES)}

# The emotion classes of Emotion.scores, in order.
EMOTIONS: tuple[str, ...] = (
    "angry",
    "disgusted",
    "fearful",
    "happy",
    "neutral",
    "sad",
    "surprised",
    "contemptuous",
)

LANDMARKS = 478  # points of the Face Landmarker, the last ten of them the irises


def _check(owner: object, field: str, shape: tuple[int | None, ...]) -> None:
    value = getattr(owner, field)
    wanted = [str(n) if n is not None else "any" for n in shape]
    if value.ndim != len(shape) or any(
        n is not None and n != m for n, m in zip(shape, value.shape, strict=True)
    ):
        raise ValueError(
            f"{type(owner).__name__}.{field} has shape {list(value.shape)}, "
            f"needed is [{', '.join(wanted)}]."
        )


def _check_fps(owner: object, fps: float) -> None:
    if not 8.0 <= fps <= 60.0:
        raise ValueError(f"{type(owner).__name__}.fps is {fps:g}; use a value from 8 to 60.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Face:
    """One face found in a picture, all in pixels of that picture."""

    box: Tensor  # [4] x0, y0, x1, y1
    score: float  # 0..1, the detector's
    landmarks: Tensor  # [478, 3] x, y, and z on the same scale, smaller is nearer
    coefficients: Tensor  # [52] 0..1 in ARKIT_NAMES order; tongueOut is not scored and is 0

    def __post_init__(self) -> None:
        _check(self, "box", (4,))
        _check(self, "landmarks", (LANDMARKS, 3))
        _check(self, "coefficients", (len(ARKIT_NAMES),))


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedHead:
    """The parametric head as it stands in the crop, under a scaled orthographic camera.

    A point p of the head's own frame (x right, y up, z to the viewer) lies in the crop at
    x = translation[0] + scale * (rotation p).x and y = translation[1] - scale * (rotation p).y.
    """

    identity: Tensor  # [I] weights of the head's identity targets
    expression: Tensor  # [52] 0..1, the photo's own coefficients in ARKIT_NAMES order
    rotation: Tensor  # [3, 3] head to camera
    scale: float  # crop px per head unit
    translation: Tensor  # [2] crop px
    error: float  # RMS reprojection error as a share of the distance between the eyes

    def __post_init__(self) -> None:
        _check(self, "identity", (None,))
        _check(self, "expression", (len(ARKIT_NAMES),))
        _check(self, "rotation", (3, 3))
        _check(self, "translation", (2,))


@dataclass(frozen=True, eq=False, kw_only=True)
class Portrait:
    """A person's head, cut out of a picture, and all that later stages need to animate it."""

    image: Tensor  # [H, W, 3] 0..1, the head crop
    landmarks: Tensor  # [478, 3] crop px
    head: FittedHead
    source: Tensor  # [H0, W0, 3] 0..1, the whole picture
    to_source: Tensor  # [2, 3] affine from crop px to source px

    def __post_init__(self) -> None:
        _check(self, "image", (None, None, 3))
        _check(self, "landmarks", (LANDMARKS, 3))
        _check(self, "source", (None, None, 3))
        _check(self, "to_source", (2, 3))


@dataclass(frozen=True, eq=False, kw_only=True)
class Emotion:
    """What is felt, per frame."""

    scores: Tensor  # [T, 8] in EMOTIONS order, each row sums to 1
    valence_arousal: Tensor  # [T, 2] -1..1
    confidence: Tensor  # [T] 0..1
    embedding: Tensor  # [T, 256] Z_emo
    fps: float

    def __post_init__(self) -> None:
        _check(self, "scores", (None, len(EMOTIONS)))
        frames = self.scores.shape[0]
        _check(self, "valence_arousal", (frames, 2))
        _check(self, "confidence", (frames,))
        _check(self, "embedding", (frames, 256))
        _check_fps(self, self.fps)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What happens in the picture, in words."""

    prompt: str
    negative: str
    beats: tuple[tuple[float, float, str], ...]  # start_s, end_s, text
    author: str  # "rules", a language model's name and seed, or "user"


@dataclass(frozen=True, eq=False, kw_only=True)
class Motion:
    """How a face moves, per frame.

    A rotation turns the head about the top of the neck, relative to the photo: pitch > 0 nods
    down, yaw > 0 turns the nose to the right of the picture, roll > 0 tilts the head
    counterclockwise on the screen. Applied as roll · yaw · pitch, right-handed, y up.
    """

    coefficients: Tensor  # [T, 52] 0..1 in ARKIT_NAMES order; equal to the photo's own = at rest
    head_rotation: Tensor  # [T, 3] pitch, yaw, roll in radians, 0 = as in the photo
    head_translation: Tensor  # [T, 3] right, up, towards the viewer, in face widths
    fps: float

    def __post_init__(self) -> None:
        _check(self, "coefficients", (None, len(ARKIT_NAMES)))
        frames = self.coefficients.shape[0]
        _check(self, "head_rotation", (frames, 3))
        _check(self, "head_translation", (frames, 3))
        _check_fps(self, self.fps)

    @property
    def frames(self) -> int:
        """Number of video frames T."""
        return int(self.coefficients.shape[0])
