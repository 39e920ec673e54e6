"""The shipped head: directions, sides and linearity."""

import math

import pytest
import torch
from synchrorama.models.head import project, rotation_angles, rotation_matrix
from synchrorama.models.landmarks import EYES, LOWER_LIP, UPPER_LIP
from synchrorama.models.types import ARKIT_INDEX, ARKIT_NAMES, FittedHead

NOSE, CHIN, FOREHEAD, RIGHT_EAR, LEFT_EAR = 1, 152, 10, 234, 454


def fitted(rotation, scale=100.0, translation=(50.0, 60.0)):
    return FittedHead(
        identity=torch.zeros(80),
        expression=torch.zeros(52),
        rotation=rotation,
        scale=scale,
        translation=torch.tensor(translation),
        error=0.0,
    )


def offset(head, name):
    """How landmarks [478, 3] move with a coefficient."""
    return head.at_landmarks(head.units[ARKIT_INDEX[name]])


def test_angles_are_the_inverse_of_the_matrix():
    angles = (torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * 2
    angles = angles * torch.tensor([3.0, 1.5, 3.0])
    rotation = rotation_matrix(angles)
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(200, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(200), atol=1e-5)
    assert torch.allclose(rotation_angles(rotation), angles, atol=2e-3)


def test_angles_come_as_roll_yaw_pitch():
    pitch, yaw, roll = 0.3, -0.4, 0.5

    def alone(axis, angle):
        angles = torch.zeros(3)
        angles[axis] = angle
        return rotation_matrix(angles)

    together = rotation_matrix(torch.tensor([pitch, yaw, roll]))
    assert torch.allclose(together, alone(2, roll) @ alone(1, yaw) @ alone(0, pitch), atol=1e-6)


def test_angles_survive_a_full_profile():
    rotation = rotation_matrix(torch.tensor([0.0, math.pi / 2, 0.0])) * 1.000001
    assert abs(float(rotation_angles(rotation)[1]) - math.pi / 2) < 1e-2


@pytest.mark.parametrize(("axis", "moves"), [(0, (0, 1)), (1, (1, 0))], ids=["pitch", "yaw"])
def test_where_the_nose_goes(head, axis, moves):
    """Yaw > 0 moves it right, pitch > 0 moves it down, on the picture."""
    angles = torch.zeros(3)
    angles[axis] = 0.2
    nose = head.at_landmarks(head.vertices)[NOSE]
    before = project(nose, fitted(torch.eye(3)))
    after = project(nose, fitted(rotation_matrix(angles)))
    change = (after - before)[:2]
    assert float(change @ torch.tensor(moves, dtype=torch.float32)) > 5
    assert abs(float(change @ torch.tensor(moves[::-1], dtype=torch.float32))) < 3


def test_roll_turns_counterclockwise(head):
    points = head.at_landmarks(head.vertices)
    turned = project(points, fitted(rotation_matrix(torch.tensor([0.0, 0.0, 0.2]))))
    assert turned[LEFT_EAR, 1] < turned[RIGHT_EAR, 1]  # the picture's right side goes up
    assert turned[FOREHEAD, 0] < turned[CHIN, 0]


def test_projection_is_the_documented_one(head):
    rotation = rotation_matrix(torch.tensor([0.1, 0.2, 0.3]))
    point = torch.tensor([0.2, -0.3, 0.4])
    x, y, z = (rotation @ point).tolist()
    seen = project(point, fitted(rotation))
    assert torch.allclose(seen, torch.tensor([50 + 100 * x, 60 - 100 * y, 100 * z]), atol=1e-4)


def test_stands_upright_and_looks_at_the_viewer(head):
    points = head.at_landmarks(head.vertices)
    assert points.shape == (478, 3)
    assert points[NOSE, 2] > points[[RIGHT_EAR, LEFT_EAR], 2].max() + 0.3
    assert points[FOREHEAD, 1] > points[NOSE, 1] > points[13, 1] > points[CHIN, 1]
    assert points[RIGHT_EAR, 0] < 0 < points[LEFT_EAR, 0]  # the subject's
    assert points[468, 0] < 0 < points[473, 0]  # irises
    assert head.eyes[0, 0] > 0 > head.eyes[1, 0]
    x = head.vertices[head.part_faces("skin").unique(), 0]
    assert abs(float(x.max() - x.min()) - 1.0) < 0.01  # one unit is the width of the head
    assert points[[NOSE, CHIN, FOREHEAD, 13, 14], 0].abs().max() < 0.01


def test_shape_is_linear(head):
    generator = torch.Generator().manual_seed(1)
    identity, expression = (torch.randn(n, generator=generator) for n in (len(head.identity), 52))
    rest = head.shape()
    alone = head.shape(identity) - rest
    moved = head.shape(None, expression) - rest
    assert torch.allclose(head.shape(identity, expression), rest + alone + moved, atol=1e-4)
    assert torch.allclose(head.shape(2 * identity) - rest, 2 * alone, atol=1e-4)
    one = torch.zeros(52)
    one[ARKIT_INDEX["jawOpen"]] = 1.0
    change = head.shape(None, one) - rest
    assert torch.allclose(change, head.units[ARKIT_INDEX["jawOpen"]], atol=1e-6)
    assert torch.equal(rest, head.vertices)


def test_every_unit_moves_something_a_little(head):
    reach = head.units.norm(dim=2).amax(1)
    still = [name for name, r in zip(ARKIT_NAMES, reach.tolist(), strict=True) if r < 0.003]
    assert still == []
    assert reach.max() < 0.6


@pytest.mark.parametrize("name", [name for name in ARKIT_NAMES if name.endswith("Left")])
def test_left_and_right_are_the_subjects(head, name):
    left = head.units[ARKIT_INDEX[name]].norm(dim=1)
    right = head.units[ARKIT_INDEX[name[:-4] + "Right"]].norm(dim=1)
    side = head.vertices[:, 0]
    if name not in ("jawLeft", "mouthLeft"):  # these move both sides
        assert (left * side).sum() > 0 > (right * side).sum()
    assert 0.8 < float(left.sum() / right.sum()) < 1.25


def test_directions_of_expressions(head):
    """Signs in the head's frame: x to the subject's left, y up, z to the viewer."""
    corner_right, corner_left = 61, 291
    assert offset(head, "jawOpen")[CHIN, 1] < -0.05
    assert offset(head, "jawOpen")[FOREHEAD].norm() < 0.01
    assert offset(head, "jawOpen")[list(LOWER_LIP[0]), 1].mean() < -0.05
    assert offset(head, "jawOpen")[list(UPPER_LIP[0][3:6]), 1].min() > -0.02
    assert offset(head, "jawLeft")[CHIN, 0] > 0.01
    assert offset(head, "jawForward")[CHIN, 2] > 0.01
    assert offset(head, "mouthSmileLeft")[corner_left, 1] > 0.01
    assert offset(head, "mouthFrownLeft")[corner_left, 1] < -0.01
    assert offset(head, "mouthPucker")[corner_left, 0] < -0.01
    assert offset(head, "mouthPucker")[corner_right, 0] > 0.01
    assert offset(head, "mouthStretchLeft")[corner_left, 0] > 0.01
    assert offset(head, "mouthLeft")[13, 0] > 0.01
    assert offset(head, "browInnerUp")[[55, 285], 1].min() > 0.01
    assert offset(head, "browDownLeft")[[285, 295], 1].max() < -0.005
    for eye in EYES:
        upper, lower = list(eye.upper[3:6]), list(eye.lower[2:5])
        gap = (
            head.at_landmarks(head.vertices)[upper, 1] - head.at_landmarks(head.vertices)[lower, 1]
        )
        blink = offset(head, f"eyeBlink{eye.side}")
        closed = gap + blink[upper, 1] - blink[lower, 1]
        assert (gap > 0.02).all()
        assert (closed < 0.5 * gap).all()
        wide = offset(head, f"eyeWide{eye.side}")
        assert wide[upper, 1].min() > 0


def test_parts_share_out_the_triangles(head):
    counts = [len(head.part_faces(name)) for name in head.parts]
    assert min(counts) > 50
    assert sum(counts) == len(head.faces)
    assert len(head.part_faces(*head.parts)) == len(head.faces)
    teeth = head.vertices[head.part_faces("upper_teeth").unique()]
    lower = head.vertices[head.part_faces("lower_teeth").unique()]
    assert teeth[:, 1].mean() > lower[:, 1].mean()


def test_surface_carries_the_landmarks(head):
    """The first 468 vertices of the drawn surface are the landmarks themselves."""
    points = head.at_landmarks(head.vertices)[:468]
    assert torch.allclose(head.at_surface(head.vertices)[:468], points, atol=1e-5)
    assert torch.equal(head.surface_parents[:468, 0], torch.arange(468))
    assert 0 <= head.surface_share.min() and head.surface_share.max() <= 1
    assert torch.allclose(head.surface_weights.sum(1), torch.ones(()), atol=1e-4)
    assert head.surface_weights.min() > -1e-4
    assert head.surface_faces.max() < len(head.surface_vertices)
    hole = head.surface_faces[head.surface_hole > 0].unique()
    assert {13, 14, 159, 145} & set(hole.tolist()) == {13, 14, 159, 145}  # lips and lids' edges


def test_reads_whole_batches_of_fields(head):
    field = head.units
    assert torch.equal(head.at_landmarks(field)[7], head.at_landmarks(field[7]))
    assert head.at_surface(field).shape == (52, len(head.surface_vertices), 3)
