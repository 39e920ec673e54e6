"""The motion of a face in a video, to be put on another face.

Expressions are the landmarker's scores, some of them replaced by those of a head that is fitted to
the landmarks of each frame. Its identity is found once, for all frames.

Shapes: T frames, H W pixels, K = 468 mesh landmarks, I identity components, C = 52 coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..head import HeadModel, rotation_angles, rotation_matrix
from ..types import ARKIT_NAMES, Face, Motion
from .fit import DEPTH_NOISE, MESH_LANDMARKS, NOISE, Pose, _solve, eye_distance, fit_head
from .landmarker import FaceLandmarker

AVERAGE, FIRST, CAMERA = "average", "first frame", "camera"
REFERENCES = (AVERAGE, FIRST, CAMERA)
SAMPLED = 8  # frames from which the head's identity is taken
POSE_NOISE = 0.15  # of the scores, while pose and expression are fitted
CALM = 0.10  # quantile of each coefficient over time that is taken as the face at rest
NEAR = 0.15  # growth of the picture per face width towards the viewer, as motion frames draw it
FARTHEST = 1.0  # face widths that the head shifts at most
# What the landmarker scores for a coefficient of 1, on average over six portraits drawn as motion
# frames (benchmarks/results/read_back.json).
FULL = {"eyeBlink": 0.57, "jawOpen": 0.57, "browInnerUp": 0.42, "mouthSmile": 0.85}
# Share of the fit against the score in coefficients that the landmarker scores badly.
FITTED = {"jawOpen": 0.5, "browDown": 1.0, "mouthFunnel": 1.0, "mouthPress": 1.0}


def motion_from_video(
    frames: Tensor,
    fps: float,
    *,
    landmarker: FaceLandmarker,
    head: HeadModel,
    smooth_s: float = 0.0,
    reference: str = AVERAGE,
    rest: Tensor | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[Motion, str]:
    """How the largest face of a video moves, and what was seen, in words.

    Frames in which no face is seen are bridged by straight lines. Memory does not grow with the
    video beyond the frames themselves.

    Args:
        frames: [T, H, W, C] 0..1, C one of 3, 4.
        fps: Frames a second, 8 to 60.
        landmarker: Finds the face.
        head: Is fitted to it.
        smooth_s: Standard deviation of a Gaussian over time, 0 to 2 s.
        reference: Which pose counts as not turned: "average", "first frame", or "camera".
        rest: [52] a portrait's own expression: what moves is counted from the face's calmest values
            and put on top of it. None: the expressions as scored.
        on_step: Called with (passes over frames done, in all); may raise to cancel.

    Raises:
        ValueError: No frame shows a face, there are no frames, or a setting is out of range.
    """
    if not 8.0 <= fps <= 60.0:
        raise ValueError(f"'fps' is {fps:g}. Use the video's frames a second, 8 to 60.")
    if not 0.0 <= smooth_s <= 2.0:
        raise ValueError(f"'smooth' is {smooth_s:g} s. Use 0 to 2 s.")
    if reference not in REFERENCES:
        raise ValueError(f"'reference' is '{reference}'. Use one of {', '.join(REFERENCES)}.")
    if len(frames) == 0:
        raise ValueError("'images' holds no frames. Connect the frames of a video.")
    faces = landmarker.track(frames, on_step=on_step)
    seen = [index for index, face in enumerate(faces) if face is not None]
    if not seen:
        raise ValueError(
            f"No face found in any of the {len(faces)} frames of 'images'. Use a video where a "
            "face is at least 64 px wide and not covered."
        )
    found = [face for face in faces if face is not None]
    rotation, scale, shift, fitted = _poses(found, head)
    scores = _expressions(found, fitted)
    width = float(
        (head.at_landmarks(head.vertices)[454] - head.at_landmarks(head.vertices)[234])[0]
    )
    turn, move = _relative(rotation, scale, shift, width, reference)
    tracks = _bridged(torch.cat((scores, turn, move), 1), seen, len(faces))
    if smooth_s > 0.0 and len(faces) > 1:
        tracks = _smooth(tracks, smooth_s * fps)
    coefficients = tracks[:, : len(ARKIT_NAMES)]
    if rest is not None:
        calm = coefficients.quantile(CALM, dim=0)
        coefficients = rest.to(coefficients) + coefficients - calm
    motion = Motion(
        coefficients=coefficients.clamp(0.0, 1.0),
        head_rotation=tracks[:, -6:-3],
        head_translation=tracks[:, -3:],
        fps=fps,
    )
    return motion, _report(motion, seen)


def _expressions(faces: Sequence[Face], fitted: Tensor) -> Tensor:
    """Coefficients [T', C] on the scale on which 1 moves a face all the way."""
    scores = torch.stack([face.coefficients for face in faces])
    full = torch.ones(len(ARKIT_NAMES))
    share = torch.zeros(len(ARKIT_NAMES))
    for index, name in enumerate(ARKIT_NAMES):
        stem = name.removesuffix("Left").removesuffix("Right")
        full[index] = FULL.get(stem, 1.0)
        share[index] = FITTED.get(stem, 0.0)
    return (scores / full).clamp(0.0, 1.0).lerp(fitted.clamp(0.0, 1.0), share)


def _poses(faces: Sequence[Face], head: HeadModel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rotation [T', 3, 3], scale [T'] px, shift [T', 2] px (right, up), expression [T', C]."""
    step = max(1, len(faces) // SAMPLED)
    fits = [fit_head(one.landmarks, one.coefficients, head) for one in faces[step // 2 :: step]]
    identity = torch.stack([fit.identity for fit in fits]).mean(0)
    units = head.at_landmarks(head.units)[:, :MESH_LANDMARKS].double()
    neutral = head.at_landmarks(head.shape(identity))[:MESH_LANDMARKS].double()
    modes = POSE_NOISE * units
    stiff = torch.eye(len(units), dtype=torch.float64)
    flip = torch.tensor([1.0, -1.0, -1.0])
    noise = torch.tensor([NOISE, NOISE, DEPTH_NOISE], dtype=torch.float64)
    poses: list[Pose] = []
    expressions = []
    for face in faces:
        points = (face.landmarks[:MESH_LANDMARKS] * flip).double()
        score = face.coefficients.double()
        rest = neutral + torch.tensordot(score, units, 1)
        sigma = noise * eye_distance(face.landmarks)
        pose, weights = _solve(rest, modes, points, sigma, stiff, poses[-1] if poses else None)
        poses.append(pose)
        expressions.append(score + POSE_NOISE * weights)
    rotation, scale, shift = zip(*poses, strict=True)
    sizes = torch.stack([torch.as_tensor(one) for one in scale])
    fitted = torch.stack(expressions).float()
    return torch.stack(rotation).float(), sizes.float(), torch.stack(shift)[:, :2].float(), fitted


def _relative(
    rotation: Tensor, scale: Tensor, shift: Tensor, width: float, reference: str
) -> tuple[Tensor, Tensor]:
    """Head rotation [T', 3] rad and translation [T', 3] face widths against the reference.

    Args:
        rotation: [T', 3, 3] head to camera.
        scale: [T'] px per head unit.
        shift: [T', 2] px of the top of the neck, right and up.
        width: Of the face, in head units.
        reference: One of REFERENCES.
    """
    if reference == FIRST:
        base, size, place = rotation[0], scale[0], shift[0]
    else:
        base = rotation_matrix(rotation_angles(rotation).median(0).values)
        size, place = scale.median(), shift.median(0).values
    if reference == CAMERA:
        base = torch.eye(3)
    turn = rotation_angles(rotation @ base.T)
    across = (shift - place) / (size * width)
    towards = (scale / size - 1.0) / NEAR
    return turn, torch.cat((across, towards[:, None]), 1).clamp(-FARTHEST, FARTHEST)


def _bridged(tracks: Tensor, seen: Sequence[int], frames: int) -> Tensor:
    """Tracks [T', N] of some frames as [T, N] of all, straight between, held at the ends."""
    if len(seen) == frames:
        return tracks
    at = np.arange(frames)
    columns = [np.interp(at, seen, column) for column in tracks.T.double().numpy()]
    return torch.from_numpy(np.stack(columns, 1)).float()


def _smooth(tracks: Tensor, sigma: float) -> Tensor:
    """Tracks [T, N] under a Gaussian of sigma frames, their ends held."""
    reach = max(1, int(3.0 * sigma + 1))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma).square())
    flat = F.pad(tracks.T[:, None], (reach, reach), mode="replicate")  # [N, 1, T + 2 reach]
    return F.conv1d(flat, (weights / weights.sum())[None, None])[:, 0].T


def _report(motion: Motion, seen: Sequence[int]) -> str:
    missed = motion.frames - len(seen)
    lines = [f"{motion.frames} frames at {motion.fps:g} fps, {motion.frames / motion.fps:.2f} s."]
    if missed:
        gaps = np.diff([-1, *seen, motion.frames]) - 1
        lines.append(
            f"{missed} frames without a face were bridged, {int(gaps.max())} in a row at most."
        )
    else:
        lines.append("A face was seen in every frame.")
    low, high = torch.rad2deg(motion.head_rotation).aminmax(dim=0)
    turns = zip(("pitch", "yaw", "roll"), low.tolist(), high.tolist(), strict=True)
    told = ", ".join(f"{name} {least:+.0f} to {most:+.0f}" for name, least, most in turns)
    lines.append(f"Head in degrees: {told}.")
    return "\n".join(lines)
