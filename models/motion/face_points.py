"""Where the face's landmarks lie in motion frames."""

from __future__ import annotations

import torch
from torch import Tensor

from ..head import HeadModel
from ..types import Motion, Portrait
from .photo_mesh import PhotoMesh

MESH_LANDMARKS = 468  # of the 478: the first vertices of the mesh that motion frames are drawn on
CHUNK = 64  # frames at once, so that the whole mesh is never held for a long clip


def face_points(head: HeadModel, portrait: Portrait, motion: Motion) -> Tensor:
    """Landmarks of each motion frame without the irises, [T, 468, 2] px of the crop."""
    mesh = PhotoMesh(portrait, head)
    moved = (
        mesh(coefficients, rotation, translation)[:, :MESH_LANDMARKS, :2]
        for coefficients, rotation, translation in zip(
            torch.split(motion.coefficients, CHUNK),
            torch.split(motion.head_rotation, CHUNK),
            torch.split(motion.head_translation, CHUNK),
            strict=True,
        )
    )
    return torch.cat([part.clone() for part in moved])
