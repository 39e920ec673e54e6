"""Move the landmarks on the head by what fits to many pictures leave over on average.

    python -m synchrorama.training.refine_landmarks --head FILE --pictures DIR --out FILE

Drawings of a bare head mislead the landmarker a little, the same way each time. On pictures of
people the head is fitted, and what is left at each landmark, turned back into the head's frame,
averaged over pictures and made symmetric, moves its point along the surface.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from ..models.checkpoint import load_checkpoint, save_checkpoint
from ..models.head import FORMAT, HeadModel, project, rotation_angles
from ..models.media import read_image
from ..models.portrait.fit import MESH_LANDMARKS, fit_head
from ..models.portrait.landmarker import FaceLandmarker
from .bind_landmarks import SOURCE, bind, half, mirrored

ROUNDS = 2
STEP = 0.7  # share of the mean residual that is followed
MAX_YAW = 0.45  # radians; outlines of turned heads are not points of the surface


def residuals(model: HeadModel, faces: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, float]:
    """Median residual [478, 3] in head units over faces (landmarks, expression), and mean error."""
    left, errors = [], []
    for landmarks, expression in faces:
        fitted = fit_head(landmarks, expression, model)
        if abs(float(rotation_angles(fitted.rotation)[1])) > MAX_YAW:
            continue
        at = project(model.at_landmarks(model.shape(fitted.identity, fitted.expression)), fitted)
        miss = (landmarks[:, :2] - at[:, :2]) * torch.tensor([1.0, -1.0]) / fitted.scale
        flat = torch.cat((miss, torch.zeros(len(miss), 1)), 1)
        left.append(flat @ fitted.rotation)  # the camera's x and y in the head's frame
        errors.append(fitted.error)
    return torch.stack(left).median(0).values, sum(errors) / len(errors)


def main() -> None:
    """Refine, and say what it gained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    landmarker = FaceLandmarker.from_checkpoint()
    faces = []
    for path in sorted(args.pictures.iterdir()):
        found = landmarker.faces(read_image(path))
        if len(found) == 1 and float(found[0].box[2] - found[0].box[0]) > 60:
            faces.append((found[0].landmarks, found[0].coefficients))
    head, config = load_checkpoint(args.head, FORMAT)
    for number in range(ROUNDS):
        model = HeadModel(head, config["parts"])
        shift, error = residuals(model, faces)
        print(f"round {number}: {len(faces)} faces, mean error {error:.4f} of the eye distance")
        points = model.at_landmarks(model.shape()) + STEP * shift
        points[:MESH_LANDMARKS] = mirrored(points[:MESH_LANDMARKS])
        vertices, weights = bind(head, points)
        head["landmark_vertices"], head["landmark_weights"] = vertices.int(), weights
    _, error = residuals(HeadModel(head, config["parts"]), faces)
    print(f"after: mean error {error:.4f}")
    save_checkpoint(
        args.out, half(head), format=FORMAT, config=config, source=SOURCE, licence="CC0-1.0"
    )


if __name__ == "__main__":
    main()
