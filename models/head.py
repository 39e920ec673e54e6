"""The parametric head: MakeHuman's CC0 mesh with ARKit's 52 units and an identity space.

The head's own frame: x to the right of the picture, y up, z towards the viewer, origin at the top
of the neck, one unit = the width of the head with its ears.

Shapes: V vertices, F triangles, I identity components, C = 52 coefficients, K = 478 landmarks.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from .checkpoint import WEIGHTS, CheckpointError, load_checkpoint
from .types import FittedHead

FORMAT = "synchrorama.head"


class HeadModel(nn.Module):
    """Vertices of a head from identity weights and ARKit coefficients, all linear."""

    vertices: Tensor  # [V, 3] the mean face at rest
    faces: Tensor  # [F, 3]
    part: Tensor  # [V] index into parts
    units: Tensor  # [C, V, 3] offsets at coefficient 1
    identity: Tensor  # [I, V, 3] offsets at one standard deviation
    eyes: Tensor  # [2, 3] centres of the subject's left and right eyeball
    landmark_vertices: Tensor  # [K, 3] the corners of the triangle on which a landmark lies
    landmark_weights: Tensor  # [K, 3] its barycentric coordinates there
    # The face surface that motion frames draw: N vertices, 468 landmarks and the edges between.
    surface_vertices: Tensor  # [N, 3] corners of the head's triangle under each vertex
    surface_weights: Tensor  # [N, 3] its barycentric coordinates there
    surface_parents: Tensor  # [N, 2] the landmarks between which it lies
    surface_share: Tensor  # [N] 0..1, how far from the first to the second
    surface_faces: Tensor  # [M, 3] triangles
    surface_hole: Tensor  # [M] 1 inside the mouth and the eyes

    def __init__(self, tensors: dict[str, Tensor], parts: list[str]) -> None:
        super().__init__()
        self.parts = tuple(parts)
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor.long() if name in _INTEGERS else tensor)

    @classmethod
    def from_checkpoint(cls, path: Path = WEIGHTS / "head.safetensors") -> HeadModel:
        """The head that ships with the pack.

        Raises:
            CheckpointError: The file is missing, cut short or lacks a tensor.
        """
        tensors, config = load_checkpoint(path, FORMAT)
        missing = set(cls.__annotations__) - tensors.keys()
        if missing:
            raise CheckpointError(
                f"Weight file '{path.name}' lacks {', '.join(sorted(missing))}. Install the pack "
                "again."
            )
        return cls(tensors, config["parts"])

    def shape(self, identity: Tensor | None = None, coefficients: Tensor | None = None) -> Tensor:
        """Vertices [V, 3] in head units.

        Args:
            identity: [I] standard deviations, or None for the mean face.
            coefficients: [52] 0..1 in ARKIT_NAMES order, or None for rest.
        """
        out = self.vertices
        if identity is not None:
            out = out + torch.tensordot(identity, self.identity, 1)
        if coefficients is not None:
            out = out + torch.tensordot(coefficients, self.units, 1)
        return out

    def at_landmarks(self, field: Tensor) -> Tensor:
        """A vertex field [..., V, D] read at the landmarks: [..., K, D]."""
        return _read(field, self.landmark_vertices, self.landmark_weights)

    def at_surface(self, field: Tensor) -> Tensor:
        """A vertex field [..., V, D] read at the face surface: [..., N, D]."""
        return _read(field, self.surface_vertices, self.surface_weights)

    def part_faces(self, *names: str) -> Tensor:
        """Triangles [F', 3] of the named parts, e.g. "skin", "upper_teeth"."""
        wanted = torch.tensor([self.parts.index(name) for name in names], device=self.part.device)
        return self.faces[torch.isin(self.part[self.faces[:, 0]], wanted)]


_INTEGERS = (
    "faces",
    "part",
    "landmark_vertices",
    "surface_vertices",
    "surface_parents",
    "surface_faces",
)


def _read(field: Tensor, vertices: Tensor, weights: Tensor) -> Tensor:
    corners = field[..., vertices, :]  # [..., N, 3, D]
    return (corners * weights[..., None]).sum(-2)


def project(points: Tensor, head: FittedHead) -> Tensor:
    """Points [..., 3] of the head's frame as crop pixels x, y and depth (px, nearer is larger)."""
    turned = points @ head.rotation.to(points).T * head.scale
    x, y = head.translation.to(points)
    return torch.stack((x + turned[..., 0], y - turned[..., 1], turned[..., 2]), dim=-1)


def rotation_matrix(angles: Tensor) -> Tensor:
    """Rotations [..., 3, 3] = roll · yaw · pitch from [..., 3] pitch, yaw, roll in radians."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    rows = (
        torch.stack((cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx), -1),
        torch.stack((sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx), -1),
        torch.stack((-sy, cy * sx, cy * cx), -1),
    )
    return torch.stack(rows, -2)


def rotation_angles(rotation: Tensor) -> Tensor:
    """Pitch, yaw, roll [..., 3] of rotations [..., 3, 3]; the inverse of `rotation_matrix`."""
    yaw = torch.asin((-rotation[..., 2, 0]).clamp(-1, 1))
    pitch = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    roll = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
    return torch.stack((pitch, yaw, roll), -1)
