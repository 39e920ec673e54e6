"""A head that is projected with known numbers is found again."""

import math

import pytest
import torch
from synchrorama.models.head import project, rotation_angles, rotation_matrix
from synchrorama.models.portrait.fit import eye_distance, fit_head
from synchrorama.models.types import ARKIT_INDEX, FittedHead


def person(seed: int, spread: float = 0.7):
    """Identity weights [80] of somebody."""
    return spread * torch.randn(80, generator=torch.Generator().manual_seed(seed))


def smiling():
    """Coefficients [52] of a crooked smile with the mouth open."""
    expression = torch.zeros(52)
    expression[ARKIT_INDEX["jawOpen"]] = 0.3
    expression[ARKIT_INDEX["mouthSmileLeft"]] = 0.5
    return expression


def landmarks_of(head, identity, expression, angles, scale=200.0, place=(256.0, 300.0)):
    """Landmarks [478, 3] as the landmarker gives them: y down, z away from the viewer."""
    fitted = FittedHead(
        identity=identity,
        expression=expression,
        rotation=rotation_matrix(torch.tensor(angles)),
        scale=scale,
        translation=torch.tensor(place),
        error=0.0,
    )
    points = project(head.at_landmarks(head.shape(identity, expression)), fitted)
    return points * torch.tensor([1.0, 1.0, -1.0])


POSES = [(0.0, 0.0, 0.0), (0.1, 0.3, 0.2), (-0.2, -0.6, 0.1), (0.3, 0.0, -0.4), (0.0, 1.3, 0.0)]


@pytest.mark.parametrize("angles", POSES)
def test_finds_the_mean_head_exactly(head, angles):
    landmarks = landmarks_of(head, torch.zeros(80), torch.zeros(52), angles)
    fitted = fit_head(landmarks, torch.zeros(52), head)
    assert torch.allclose(rotation_angles(fitted.rotation), torch.tensor(angles), atol=1e-3)
    assert abs(fitted.scale - 200) < 0.2
    assert torch.allclose(fitted.translation, torch.tensor([256.0, 300.0]), atol=0.2)
    assert fitted.identity.abs().max() < 0.01
    assert fitted.error < 1e-4


@pytest.mark.parametrize(("seed", "angles"), list(enumerate(POSES)))
def test_finds_pose_and_identity(head, seed, angles):
    identity, expression = person(seed), smiling()
    landmarks = landmarks_of(head, identity, expression, angles)
    fitted = fit_head(landmarks, expression, head)
    assert torch.allclose(rotation_angles(fitted.rotation), torch.tensor(angles), atol=0.09)
    assert abs(fitted.scale / 200 - 1) < 0.12  # size and depth of a stranger's head are one guess
    assert fitted.error < 0.005
    closeness = torch.corrcoef(torch.stack((fitted.identity, identity)))[0, 1]
    assert closeness > 0.7
    assert torch.allclose(fitted.rotation @ fitted.rotation.T, torch.eye(3), atol=1e-5)
    assert abs(float(torch.linalg.det(fitted.rotation)) - 1) < 1e-5


def test_more_steps_change_nothing(head, monkeypatch):
    """The fit has arrived, and the prior keeps it from running after noise."""
    landmarks = landmarks_of(head, person(6), smiling(), (0.2, -0.4, 0.1))
    noise = torch.randn(478, 3, generator=torch.Generator().manual_seed(1))
    landmarks = landmarks + 0.01 * eye_distance(landmarks) * noise
    few = fit_head(landmarks, smiling(), head)
    monkeypatch.setattr("synchrorama.models.portrait.fit.STEPS", 30)
    many = fit_head(landmarks, smiling(), head)
    assert torch.allclose(few.rotation, many.rotation, atol=0.01)
    assert (few.identity - many.identity).abs().max() < 0.2
    assert many.identity.norm() < 1.2 * person(6).norm()


def test_error_is_the_miss_in_eye_distances(head):
    landmarks = landmarks_of(head, person(3), smiling(), (0.1, 0.2, 0.0))
    noise = torch.randn(478, 3, generator=torch.Generator().manual_seed(0))
    landmarks = landmarks + 0.01 * eye_distance(landmarks) * noise
    fitted = fit_head(landmarks, smiling(), head)
    points = project(head.at_landmarks(head.shape(fitted.identity, fitted.expression)), fitted)
    miss = (points - landmarks)[:468, :2].square().sum(1).mean().sqrt() / eye_distance(landmarks)
    assert abs(fitted.error - float(miss)) < 1e-5
    assert 0.008 < fitted.error < 0.016  # the noise, 0.01 * sqrt(2), less what was fitted to it


def test_does_not_depend_on_size_or_place(head):
    small = landmarks_of(head, person(4), smiling(), (0.1, 0.2, 0.1))
    large = 7.0 * small + torch.tensor([1000.0, -500.0, 0.0])
    one, other = fit_head(small, smiling(), head), fit_head(large, smiling(), head)
    assert torch.allclose(one.rotation, other.rotation, atol=1e-3)
    assert torch.allclose(one.identity, other.identity, atol=1e-2)
    assert abs(other.scale / one.scale - 7) < 0.01
    assert abs(one.error - other.error) < 1e-4


def test_expression_follows_the_landmarks_a_little(head):
    """Scores are coarse: a mouth that is seen open is open, though it was scored as shut."""
    seen = torch.zeros(52)
    jaw = ARKIT_INDEX["jawOpen"]
    seen[jaw] = 0.3
    landmarks = landmarks_of(head, torch.zeros(80), seen, (0.0, 0.0, 0.0))
    fitted = fit_head(landmarks, torch.zeros(52), head)
    assert fitted.expression[jaw] > 0.15
    assert fitted.expression.min() >= 0 and fitted.expression.max() <= 1


def test_inputs_are_not_changed(head):
    landmarks, expression = landmarks_of(head, person(5), smiling(), (0.0, 0.1, 0.0)), smiling()
    before = landmarks.clone()
    fit_head(landmarks, expression, head)
    assert torch.equal(landmarks, before)
    assert torch.equal(expression, smiling())


@pytest.mark.parametrize("kind", ["noise", "flat", "line"])
def test_landmarks_of_no_face_fit_badly(head, kind):
    generator = torch.Generator().manual_seed(0)
    points = 100 * torch.rand(478, 3, generator=generator)
    if kind == "flat":
        points[:, 2] = 0
    if kind == "line":
        points = points[:, :1] * torch.tensor([1.0, 1.0, 0.0])
    fitted = fit_head(points, torch.zeros(52), head)
    assert fitted.error > 0.3
    assert math.isfinite(fitted.error)
    assert fitted.rotation.isfinite().all()


@pytest.mark.parametrize("value", [0.0, 7.0, math.nan, math.inf])
def test_landmarks_in_one_point(head, value):
    with pytest.raises(ValueError, match=r"lie (0|nan) px apart .* Connect the landmarks of one"):
        fit_head(torch.full((478, 3), value), torch.zeros(52), head)
