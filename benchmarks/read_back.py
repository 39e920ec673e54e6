"""Is what a motion sets what the landmarker sees in the motion frames?

    python benchmarks/read_back.py [PICTURE ...] [--out FILE.json]

Three checks on each portrait, all read from the drawn frames:

Coefficients: one (or a left and right pair) goes from 0 to 1 in 11 steps while all else stays
as in the photo; the score of the same name (of a pair the mean) is read by the landmarker. Needed:
a Pearson correlation of at least 0.9, browDown 0.8, between value and score. "from_own" is
the same on the way from the photo's own value to 1.

Angles: yaw ±20°, pitch ±12°, roll ±15°, alone, in steps. "kabsch" is the rotation that carries the
landmarks (x, −y, −z) of the unmoved frame closest to those of the moved one; "fit" is the change
of the rotation of the head fitted to both. Needed: both within 4° of the angle set.

Rest: own expression, no head motion. PSNR between motion frame and crop inside the face's oval, at
least 35 dB.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, SAMPLE_PORTRAIT, Studio, indices, machine, write_result
from PIL import Image, ImageDraw
from synchrorama.models.head import rotation_angles
from synchrorama.models.landmarks import OVAL
from synchrorama.models.motion.frames import CHUNK, MotionFrames
from synchrorama.models.portrait.fit import MESH_LANDMARKS, fit_head
from synchrorama.models.types import Face, Portrait
from torch import Tensor

NEEDED = {
    "jawOpen": 0.9,
    "mouthSmile": 0.9,
    "mouthPucker": 0.9,
    "mouthFunnel": 0.9,
    "mouthFrown": 0.9,
    "eyeBlink": 0.9,
    "browInnerUp": 0.9,
    "browDown": 0.8,
}
STEPS = 11
ANGLES = {"pitch": (-12, -8, -4, 4, 8, 12), "yaw": (-20, -13, -7, 7, 13, 20)}
ANGLES["roll"] = (-15, -10, -5, 5, 10, 15)
AXES = ("pitch", "yaw", "roll")
DEGREES, PSNR = 4.0, 35.0


def watch(studio: Studio, frames: MotionFrames, coefficients: Tensor, angles: Tensor) -> list[Face]:
    """The face in each frame of coefficients [T, 52] and head angles [T, 3] in degrees."""
    seen: list[Face] = []
    for start in range(0, len(coefficients), CHUNK):
        part = slice(start, start + CHUNK)
        rotation = angles[part] / 180 * math.pi
        drawn = frames.draw(coefficients[part], rotation, torch.zeros_like(rotation))
        for face in studio.landmarker.track(drawn):
            if face is None:
                raise RuntimeError("The landmarker lost the face in a motion frame.")
            seen.append(face)
    return seen


def correlation(set_values: Tensor, scores: Tensor) -> float:
    """Pearson's, 0 where nothing moves."""
    if float(scores.std()) < 1e-6:
        return 0.0
    return float(torch.corrcoef(torch.stack((set_values, scores)))[0, 1])


def sweep(studio: Studio, frames: MotionFrames, own: Tensor, name: str) -> dict[str, Any]:
    """A coefficient from 0 to 1, and from the photo's own value to 1, and what is read."""
    places = indices(name)
    value = torch.linspace(0, 1, STEPS)
    absolute = own.repeat(STEPS, 1)
    absolute[:, places] = value[:, None]
    relative = own.repeat(STEPS, 1)
    relative[:, places] = own[places] + value[:, None] * (1 - own[places])
    both = torch.cat((absolute, relative))
    faces = watch(studio, frames, both, torch.zeros(len(both), 3))
    scores = torch.stack([face.coefficients[places].mean() for face in faces])
    read, read_own = scores[:STEPS], scores[STEPS:]
    return {
        "coefficient": name,
        "own": round(float(own[places].mean()), 3),
        "correlation": round(correlation(value, read), 3),
        "from_own": round(correlation(value, read_own), 3),
        "rises": bool((read[1:] >= read[:-1] - 0.01).all()),
        "scores": [round(score, 3) for score in read.tolist()],
    }


def kabsch(rest: Tensor, moved: Tensor) -> Tensor:
    """The rotation [3, 3] that carries points [K, 3] closest to others, scale and shift free."""
    a, b = rest - rest.mean(0), moved - moved.mean(0)
    u, _, vt = torch.linalg.svd(b.T @ a)
    sign = torch.tensor([1.0, 1.0, float(torch.linalg.det(u @ vt).sign())])
    return (u * sign) @ vt


def turns(studio: Studio, frames: MotionFrames, own: Tensor) -> list[dict[str, Any]]:
    """Head angles set and read back, an axis a row."""
    angles = [(0.0, 0.0, 0.0)]
    for axis, values in ANGLES.items():
        for value in values:
            angles.append(tuple(float(value) if axis == name else 0.0 for name in AXES))
    coefficients = own.repeat(len(angles), 1)
    faces = watch(studio, frames, coefficients, torch.tensor(angles))
    flip = torch.tensor([1.0, -1.0, -1.0])
    points = [face.landmarks[:MESH_LANDMARKS] * flip for face in faces]
    heads = [fit_head(face.landmarks, face.coefficients, studio.head).rotation for face in faces]
    rows, start = [], 1
    for axis, values in ANGLES.items():
        column = AXES.index(axis)
        row: dict[str, Any] = {"axis": axis, "set": list(values)}
        for reader in ("kabsch", "fit"):
            found, worst = [], 0.0
            for offset, value in enumerate(values):
                moved = start + offset
                if reader == "kabsch":
                    rotation = kabsch(points[0], points[moved])
                else:
                    rotation = heads[moved] @ heads[0].T
                read = [math.degrees(angle) for angle in rotation_angles(rotation).tolist()]
                found.append(round(read[column], 1))
                worst = max(worst, abs(read[column] - value))
            row[reader] = found
            row[f"{reader}_worst_deg"] = round(worst, 2)
        rows.append(row)
        start += len(values)
    return rows


def psnr_in_oval(frame: Tensor, portrait: Portrait) -> float:
    """PSNR in dB between a frame [H, W, 3] and the crop, inside the face's oval."""
    mask = Image.new("1", portrait.image.shape[1::-1])
    loop = [(float(x), float(y)) for x, y in portrait.landmarks[list(OVAL), :2]]
    ImageDraw.Draw(mask).polygon(loop, fill=1)
    inside = torch.from_numpy(np.array(mask))
    error = (frame - portrait.image)[inside].square().mean()
    return float(-10 * error.clamp(min=1e-12).log10())


def check(studio: Studio, path: Path) -> dict[str, Any]:
    """All three checks on one picture."""
    portrait = studio.portrait(path)
    frames = MotionFrames(studio.head, portrait)
    own = portrait.head.expression
    still = frames.draw(own[None], torch.zeros(1, 3), torch.zeros(1, 3))[0]
    sweeps = []
    for name in NEEDED:
        sweeps.append(sweep(studio, frames, own, name))
        row = sweeps[-1]
        print(f"  {name:12} r {row['correlation']:.3f} ({row['from_own']:.3f}) {row['scores']}")
    rows = turns(studio, frames, own)
    for row in rows:
        print(f"  {row['axis']:6} set {row['set']} kabsch {row['kabsch']} fit {row['fit']}")
    psnr = psnr_in_oval(still, portrait)
    print(f"  rest {psnr:.1f} dB", flush=True)
    return {"picture": path.name, "rest_psnr_db": round(psnr, 1), "sweeps": sweeps, "turns": rows}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, default=[SAMPLE_PORTRAIT])
    parser.add_argument("--out", type=Path, default=RESULTS / "read_back.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    studio = Studio()
    results = []
    with torch.inference_mode():
        for path in arguments.pictures:
            print(path.name, flush=True)
            results.append(check(studio, path))
    summary: dict[str, Any] = {**machine(), "pictures": len(results)}
    for number, (name, needed) in enumerate(NEEDED.items()):
        found = [result["sweeps"][number]["correlation"] for result in results]
        summary[f"{name}_worst"] = min(found)
        summary[f"{name}_enough"] = f"{sum(r >= needed for r in found)} of {len(found)}"
    for number, axis in enumerate(ANGLES):
        for reader in ("kabsch", "fit"):
            key = f"{reader}_worst_deg"
            worst = max(result["turns"][number][key] for result in results)
            summary[f"{axis}_{reader}_worst_deg"] = worst
            summary[f"{axis}_{reader}_enough"] = worst <= DEGREES
    summary["rest_psnr_worst_db"] = min(result["rest_psnr_db"] for result in results)
    summary["rest_psnr_enough"] = summary["rest_psnr_worst_db"] >= PSNR
    print(summary)
    write_result(arguments.out, {"summary": summary, "portraits": results})


if __name__ == "__main__":
    main()
