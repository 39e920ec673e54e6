"""Our face landmarker against Google's own runtime, face by face.

Development only: `pip install mediapipe==0.10.35`, and the .task file (see
training/convert_face_landmarker.py).

    python benchmarks/landmarks.py --task face_landmarker.task PICTURE_OR_FOLDER ...

Official figures come from its video mode after the still was shown ten times, which is where it
settles, and from its photo mode, whose one pass depends on the detector's box. Distances are means
over 478 points in the picture's plane, in % of the distance between the outer corners of the eyes.
A face enters the table if both sides find exactly one; what only one side finds is listed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mediapipe
import numpy as np
import torch
from mediapipe.tasks.python import BaseOptions, vision
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from bootstrap import alias_pack  # noqa: E402

alias_pack()
from synchrorama.models.portrait.landmarker import FaceLandmarker  # noqa: E402
from synchrorama.models.types import ARKIT_NAMES  # noqa: E402

SHOWN = 10  # times that the video mode sees a still
ENDINGS = {".png", ".jpg", ".jpeg", ".webp"}
Official = tuple[np.ndarray, np.ndarray]  # landmarks [478, 3] px, coefficients [52]


def official(task: Path, mode: Any, faces: int) -> vision.FaceLandmarker:
    """The official landmarker in one of its modes, for at most so many faces."""
    return vision.FaceLandmarker.create_from_options(
        vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(task)),
            running_mode=mode,
            output_face_blendshapes=True,
            num_faces=faces,
        )
    )


def read(result: Any, width: int, height: int) -> list[Official]:
    """What the official landmarker found, in our order and units."""
    faces = []
    for points, scores in zip(result.face_landmarks, result.face_blendshapes, strict=True):
        named = {score.category_name: score.score for score in scores}
        faces.append(
            (
                np.array([[p.x * width, p.y * height, p.z * width] for p in points]),
                np.array([named.get(name, 0.0) for name in ARKIT_NAMES]),
            )
        )
    return faces


def distance(points: np.ndarray, reference: np.ndarray) -> float:
    """Mean distance in % of the reference's distance between the outer eye corners."""
    eyes = np.linalg.norm(reference[33, :2] - reference[263, :2])
    return float(np.linalg.norm((points - reference)[:, :2], axis=1).mean() / eyes * 100)


def turned(points: np.ndarray) -> float:
    """Rough yaw in degrees, from the depth of the outer eye corners."""
    x, _, z = points[263] - points[33]
    return float(np.degrees(np.arctan2(z, x)))


def fastest(call: Callable[[], Any]) -> tuple[float, Any]:
    """The fastest of five calls in ms, for other work shares the machine; and its result."""
    times, result = [], None
    for _ in range(5):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times) * 1000, result


def compare(path: Path, ours: FaceLandmarker, photo: vision.FaceLandmarker, task: Path) -> dict:
    """One row of the table; without distances where a side does not find exactly one face."""
    pixels = np.array(Image.open(path).convert("RGB"))
    height, width = pixels.shape[:2]
    picture = torch.from_numpy(pixels).float() / 255
    shown = mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
    settled: list[Official] = []
    # With one face it goes on from its own landmarks; while one is missing it detects anew.
    with official(task, vision.RunningMode.VIDEO, 1) as video:
        for index in range(SHOWN):
            settled = read(video.detect_for_video(shown, 40 * index), width, height)
    photo_ms, result = fastest(lambda: photo.detect(shown))
    single = read(result, width, height)
    ours_ms, faces = fastest(lambda: ours.faces(picture))
    row = {"picture": path.name, "found": len(faces), "found_official": len(single)}
    if len(faces) != 1 or len(single) != 1 or not settled:
        return row
    points, scores = faces[0].landmarks.numpy(), faces[0].coefficients.numpy()
    difference = np.abs(scores - settled[0][1])
    return row | {
        "face_px": round(float(faces[0].box[2] - faces[0].box[0]), 1),
        "yaw_deg": round(turned(settled[0][0]), 1),
        "distance_percent": round(distance(points, settled[0][0]), 3),
        "distance_photo_mode_percent": round(distance(points, single[0][0]), 3),
        "official_modes_apart_percent": round(distance(single[0][0], settled[0][0]), 3),
        "coefficients_mean_difference": round(float(difference.mean()), 4),
        "coefficients_max_difference": round(float(difference.max()), 4),
        "ms": round(ours_ms, 1),
        "ms_official": round(photo_ms, 1),
    }


def main() -> None:
    """Compare on every picture named on the command line and write the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+", help="pictures, or folders of them")
    parser.add_argument("--task", type=Path, required=True, help="face_landmarker.task")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/landmarks.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    files: list[Path] = []
    for path in options.pictures:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [file for file in inside if file.suffix.lower() in ENDINGS]
    ours = FaceLandmarker.from_checkpoint()
    rows = []
    with official(options.task, vision.RunningMode.IMAGE, 5) as photo:
        for file in files:
            rows.append(compare(file, ours, photo, options.task))
            print(json.dumps(rows[-1]), flush=True)
    compared = [row for row in rows if "distance_percent" in row]
    frontal = [row for row in compared if abs(row["yaw_deg"]) <= 30]
    middle = statistics.median
    summary = {
        "mediapipe": mediapipe.__version__,
        "torch": torch.__version__,
        "threads": options.threads,
        "pictures": len(rows),
        "compared": len(compared),
        "within_1.5_percent": sum(row["distance_percent"] <= 1.5 for row in compared),
        "median_distance_percent": middle(row["distance_percent"] for row in compared),
        "photo_mode_within_1.5_percent": sum(
            row["distance_photo_mode_percent"] <= 1.5 for row in compared
        ),
        "median_distance_photo_mode_percent": middle(
            row["distance_photo_mode_percent"] for row in compared
        ),
        "median_official_modes_apart_percent": middle(
            row["official_modes_apart_percent"] for row in compared
        ),
        "up_to_30_deg": len(frontal),
        "up_to_30_deg_within_1.5_percent": sum(r["distance_percent"] <= 1.5 for r in frontal),
        "up_to_30_deg_worst_percent": max(row["distance_percent"] for row in frontal),
        "median_coefficients_mean_difference": middle(
            row["coefficients_mean_difference"] for row in compared
        ),
        "median_ms": middle(row["ms"] for row in compared),
        "median_ms_official": middle(row["ms_official"] for row in compared),
    }
    print(json.dumps(summary, indent=1))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    options.out.write_text(
        f'{{"summary": {json.dumps(summary, indent=1)},\n "rows": [\n  {lines}]}}\n'
    )


if __name__ == "__main__":
    main()
