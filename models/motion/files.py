"""Motions in files: safetensors, exact to the last bit, and Live Link Face CSV, which others read.

Live Link Face is Epic's capture app for phones; Unreal's importer, Blender, Maya and MotionBuilder
add-ons read its CSV. Its rows hold a timecode, the count 61, the 52 coefficients, and yaw, pitch
and roll of the head and of each eye in radians. The head's shift has no column there and is lost.

Shapes: T frames or rows.

Source: the column names and their order, the timecode and the units are those of recordings of the
app that alexdjulin/LiveLinkFace-CSV-Retarget-For-Motionbuilder has published. There a turn of the
eye to the subject's right and down is positive, and eyes at the end of their range have 0.6, which
is a gaze in radians and in no other unit. Nothing public shows a head that turns; its angles are
what Unreal's ARKit plugin makes of ARKit's rotation in the same breath as the eyes', with the
vectors (-z, x, y): yaw of pitch of roll, to the subject's right, down, and to its left shoulder.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..head import rotation_angles, rotation_matrix
from ..speech import exact_fps
from ..types import ARKIT_INDEX, ARKIT_NAMES, Motion

FORMAT, VERSION = "synchrorama.motion", "1"
RADIANS, DEGREES = "radians", "degrees"
TICKS = 60  # the app counts its timecode's last number to 60, at whatever rate it records

# The app puts right before left in these.
_SWAPPED = {
    "jawLeft": "jawRight",
    "jawRight": "jawLeft",
    "mouthLeft": "mouthRight",
    "mouthRight": "mouthLeft",
}
SHAPES = tuple(_SWAPPED.get(name, name) for name in ARKIT_NAMES)
HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
EYES = ("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll")
EYE_RAD = (0.60, 0.55)  # yaw and pitch of an eye at coefficient 1, as the app's recordings have it

_TENSORS = ("coefficients", "head_rotation", "head_translation")
_TIMECODE = re.compile(r"(\d+):(\d+):(\d+)(?:[:;](\d+(?:\.\d+)?)|(\.\d+))?")
_RATES = (8, 10, 12, 12.5, 15, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60)


def save_motion(motion: Motion, path: Path) -> None:
    """Write a motion; the file's ending, .safetensors or .csv, says how.

    Args:
        motion: T frames of it.
        path: Where to; the folder must be there.

    Raises:
        ValueError: The ending is another one.
    """
    if path.suffix == ".safetensors":
        header = {"format": FORMAT, "version": VERSION, "fps": repr(float(motion.fps))}
        tensors = {name: getattr(motion, name).cpu().contiguous() for name in _TENSORS}
        save_file(tensors, path, {**header, "names": " ".join(ARKIT_NAMES)})
    elif path.suffix == ".csv":
        path.write_text(to_csv(motion), encoding="utf-8")
    else:
        raise ValueError(f"'{path.name}' ends in neither .safetensors nor .csv. Use one of them.")


def load_motion(path: Path, *, fps: float = 0.0, angles: str = RADIANS) -> tuple[Motion, str]:
    """The motion in a file, and what was found there, in words.

    Args:
        path: A .safetensors of `save_motion`, or a .csv of Live Link Face or its like.
        fps: Rows a second of a CSV, 8 to 60; 0 finds it from the timecodes.
        angles: Unit of the head's angles in a CSV, "radians" as in Live Link Face or "degrees".

    Raises:
        ValueError: The file is missing, is something else, lacks columns, or holds values in other
            units.
    """
    if not path.is_file():
        raise ValueError(f"'file' names '{path.name}', which is not there. Choose another file.")
    if path.suffix == ".safetensors":
        motion = _from_safetensors(path)
        notes = ["a motion of this pack"]
    elif path.suffix.lower() == ".csv":
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"'{path.name}' is no text in UTF-8. Choose a CSV of Live Link Face."
            ) from error
        motion, notes = from_csv(text, path.name, fps=fps, angles=angles)
    else:
        raise ValueError(
            f"'{path.name}' is neither .safetensors nor .csv. Choose a motion of this pack or a "
            "CSV of Live Link Face."
        )
    rate = float(exact_fps(motion.fps))
    found = f"{motion.frames} frames at {motion.fps:g} fps, {motion.frames / rate:.2f} s: "
    return motion, found + "; ".join(notes) + "."


def to_csv(motion: Motion) -> str:
    """A motion as Live Link Face CSV, without the head's shift, which the format lacks."""
    columns = [ARKIT_INDEX[name] for name in SHAPES]
    values = torch.cat(
        (
            motion.coefficients[:, columns].double(),
            _to_unreal(motion.head_rotation.double()),
            _eye_angles(motion.coefficients.double()),
        ),
        1,
    )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [name[0].upper() + name[1:] for name in SHAPES]
    writer.writerow(["Timecode", "BlendShapeCount", *names, *HEAD, *EYES])
    rate = exact_fps(motion.fps)
    for frame, row in enumerate(values.cpu().tolist()):
        count = str(len(row))
        writer.writerow([_timecode(frame / rate), count, *(f"{value:.10f}" for value in row)])
    return out.getvalue()


def from_csv(
    text: str, name: str, *, fps: float = 0.0, angles: str = RADIANS
) -> tuple[Motion, list[str]]:
    """A motion from Live Link Face CSV, and remarks on it.

    Columns are found by name, whatever their order and capitals; eyes follow the 52 coefficients,
    not their angles. Without head columns the head stays still. Rows that are incomplete, as the
    app writes them where it lost the face, are bridged by straight lines.

    Args:
        text: The file.
        name: Its name, for messages.
        fps: Rows a second, 8 to 60; 0 finds it from the timecodes.
        angles: "radians" or "degrees".

    Raises:
        ValueError: It lacks columns or rows, holds other units, or tells no frame rate.
    """
    rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    missing = [one for one in ARKIT_NAMES if one.lower() not in header]
    if missing:
        first = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise ValueError(
            f"'{name}' lacks {len(missing)} of the 52 columns, first {first}. Choose a CSV with a "
            "column for each of ARKit's coefficients, as Live Link Face writes it."
        )
    turned = [one.lower() in header for one in HEAD]
    if any(turned) and not all(turned):
        raise ValueError(f"'{name}' has not all of {', '.join(HEAD)}. Give all three, or none.")
    wanted = [*(one.lower() for one in ARKIT_NAMES), *(one.lower() for one in HEAD if all(turned))]
    values, bridged = _values(rows[1:], [header.index(one) for one in wanted], name)
    _require_units(values, name, angles)
    notes = ["a CSV of Live Link Face or its like"]
    if bridged:
        notes.append(f"{bridged} rows without values bridged")
    if fps == 0.0:
        codes = [row[header.index("timecode")] if "timecode" in header else "" for row in rows[1:]]
        fps, at = _clock(codes, name)
        if at is not None:
            values = _on_grid(values, at)
            notes.append("rows that were left out bridged")
    shapes = torch.from_numpy(values[:, :52]).float().clamp(0.0, 1.0)
    rotation = torch.zeros(len(shapes), 3)
    if all(turned):
        unit = np.pi / 180 if angles == DEGREES else 1.0
        rotation = _from_unreal(torch.from_numpy(values[:, 52:] * unit)).float()
    else:
        notes.append("no head columns, so the head is still")
    motion = Motion(
        coefficients=shapes,
        head_rotation=rotation,
        head_translation=torch.zeros(len(shapes), 3),
        fps=fps,
    )
    return motion, notes


def _from_safetensors(path: Path) -> Motion:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            keys = set(file.keys())
            if header.get("format") == FORMAT and keys >= set(_TENSORS):
                tensors = {key: file.get_tensor(key).float() for key in _TENSORS}
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"'{path.name}' cannot be read ({error}). It was probably cut short while copying: "
            "get it again."
        ) from error
    if header.get("format") != FORMAT or not keys >= set(_TENSORS):
        raise ValueError(
            f"'{path.name}' holds '{header.get('format', 'an unknown format')}', needed is "
            f"'{FORMAT}'. Choose a file that Save Motion wrote."
        )
    if header.get("version") != VERSION:
        raise ValueError(
            f"'{path.name}' has version {header.get('version')} of the format, this pack reads "
            f"{VERSION}. Update the pack."
        )
    return Motion(**tensors, fps=float(header["fps"]))


def _values(
    rows: Sequence[Sequence[str]], places: Sequence[int], name: str
) -> tuple[np.ndarray, int]:
    """Numbers [T, N] at some places of the rows, incomplete rows bridged, and how many those are.

    Raises:
        ValueError: A cell is no number, or no row is complete.
    """
    out = np.full((len(rows), len(places)), np.nan)
    for number, row in enumerate(rows):
        if len(row) <= max(places):
            continue
        cells = [row[place] for place in places]
        if not all(cell.strip() for cell in cells):
            continue
        try:
            out[number] = [float(cell) for cell in cells]
        except ValueError as error:
            raise ValueError(
                f"Line {number + 2} of '{name}' holds a value that is no number ({error}). Correct "
                "or delete the line."
            ) from error
    good = np.isfinite(out).all(1)
    if not good.any():
        raise ValueError(f"'{name}' has no row with values. Choose a CSV with at least one frame.")
    index = np.arange(len(out))
    for column in out.T:
        column[~good] = np.interp(index[~good], index[good], column[good])
    return out, int((~good).sum())


def _require_units(values: np.ndarray, name: str, angles: str) -> None:
    largest = float(np.abs(values[:, :52]).max())
    if largest > 1.5:
        raise ValueError(
            f"'{name}' has coefficients up to {largest:g}, needed are 0 to 1. Divide them by "
            f"{100 if largest <= 150 else 'their largest possible value'}."
        )
    turn = float(np.abs(values[:, 52:]).max()) if values.shape[1] > 52 else 0.0
    if angles == RADIANS and turn > np.pi:
        raise ValueError(
            f"'{name}' turns the head by up to {turn:g}, which are no radians. Set 'angles' to "
            f"{DEGREES}."
        )


def _clock(codes: Sequence[str], name: str) -> tuple[float, np.ndarray | None]:
    """Rows a second, and, if some are missing between, where each row lies in frames, [T]."""
    matches = [_TIMECODE.fullmatch(code.strip()) for code in codes]
    if len(codes) < 2 or None in matches:
        raise ValueError(
            f"The timecodes of '{name}' tell no frame rate. Set 'fps' to the rows a second."
        )
    parts = [match.groups() for match in matches if match]
    whole = np.array([int(h) * 3600 + int(m) * 60 + int(s) for h, m, s, _, _ in parts], float)
    ticks = np.array([float(f or 0) for _, _, _, f, _ in parts])
    share = np.array([float(f or 0) for _, _, _, _, f in parts])
    most = int(ticks.max()) + 1
    rolls = bool((np.diff(ticks) < 0).any())  # a second passed, so that the count's end was seen
    base = next((b for b in (24, 25, 30) if most <= b), TICKS) if rolls else TICKS
    seconds = whole + ticks / max(base, most if rolls else base) + share
    steps = np.diff(seconds)
    steps[steps < -43200] += 86400.0  # past midnight
    usual = float(np.median(steps))
    if usual <= 0 or (steps <= 0).any():
        raise ValueError(f"The timecodes of '{name}' do not rise. Set 'fps' to the rows a second.")
    counts = np.maximum(np.round(steps / usual), 1.0)
    rate = float(counts.sum() / steps.sum())
    near = min(_RATES, key=lambda one: abs(one - rate))
    rate = float(near) if abs(near - rate) <= 5e-4 * near else round(rate, 3)
    if not 8.0 <= rate <= 60.0:
        raise ValueError(
            f"'{name}' has {rate:g} rows a second by its timecodes, needed are 8 to 60. Set 'fps' "
            "if they are wrong, or write the file at another rate."
        )
    return rate, None if (counts == 1).all() else np.concatenate(([0.0], np.cumsum(counts)))


def _on_grid(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows [T, N] that lie at whole frames [T], with those between them filled in."""
    grid = np.arange(int(at[-1]) + 1)
    return np.stack([np.interp(grid, at, column) for column in values.T], 1)


def _timecode(seconds: Fraction) -> str:
    """HH:MM:SS:FF.fff, the last number counted to 60 as in the app."""
    total = round(seconds * TICKS * 1000)  # thousandths of a tick
    whole, ticks = divmod(total, TICKS * 1000)
    clock = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{clock}:{ticks // 1000:02d}.{ticks % 1000:03d}"


def _to_unreal(rotation: Tensor) -> Tensor:
    """Yaw, pitch, roll [T, 3] as Unreal counts them, from our pitch, yaw, roll [T, 3]."""
    turn = rotation_matrix(rotation)
    yaw = torch.atan2(turn[:, 0, 2], turn[:, 2, 2])
    roll = torch.atan2(turn[:, 1, 0], turn[:, 1, 1])
    return torch.stack((-yaw, (-turn[:, 1, 2]).clamp(-1.0, 1.0).asin(), -roll), 1)


def _from_unreal(angles: Tensor) -> Tensor:
    """The inverse of `_to_unreal`."""
    yaw, pitch, roll = angles.unbind(1)
    still = torch.zeros_like(yaw)
    tilt = rotation_matrix(torch.stack((still, still, -roll), 1))
    return rotation_angles(rotation_matrix(torch.stack((pitch, -yaw, still), 1)) @ tilt)


def _eye_angles(coefficients: Tensor) -> Tensor:
    """Yaw, pitch and roll of the left and the right eye, [T, 6] radians, from [T, 52]."""
    yaw, pitch = EYE_RAD

    def of(name: str) -> Tensor:
        return coefficients[:, ARKIT_INDEX[name]]

    out = []
    for side, sign in (("Left", -1.0), ("Right", 1.0)):
        out.append(sign * yaw * (of(f"eyeLookOut{side}") - of(f"eyeLookIn{side}")))
        out.append(pitch * (of(f"eyeLookDown{side}") - of(f"eyeLookUp{side}")))
        out.append(torch.zeros_like(out[0]))
    return torch.stack(out, 1)
