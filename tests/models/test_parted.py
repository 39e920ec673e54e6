"""Teeth between parted lips, drawn into the sample's photo with landmarks that miss them."""

from dataclasses import replace

import pytest
import torch
from synchrorama.models.landmarks import INNER_LIPS, LOWER_LIP, UPPER_LIP
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.motion.parted import OPEN_MOUTH, edge_below_teeth
from synchrorama.models.motion.polygon import signed_distance
from synchrorama.models.types import ARKIT_INDEX

TEETH, DARK = (0.75, 0.7, 0.62), (0.08, 0.05, 0.05)
TOLD, TRUE = 0.03, 0.06  # mouth widths between lips for the landmarks, and in the picture


def lower_edge(portrait, apart):
    """Landmarks with the lower lip that many mouth widths under the upper one."""
    points = portrait.landmarks.clone()
    mouth = (points[308] - points[78])[:2].norm()
    for weight, lower in zip((1.0, 0.85, 0.55, 0.2), LOWER_LIP, strict=True):
        points[list(lower), 1] += weight * apart * mouth
    return points


def parted(portrait, colour):
    """The portrait with lips TRUE apart over something of that colour, and landmarks TOLD apart."""
    size = portrait.image.shape[0]
    loop = lower_edge(portrait, TRUE)[None, list(INNER_LIPS), :2]
    inside = (signed_distance(loop, 0, 0, size, size)[0] + 0.5).clamp(0, 1)[..., None]
    image = portrait.image.lerp(torch.tensor(colour).expand_as(portrait.image), inside)
    return replace(portrait, image=image, landmarks=lower_edge(portrait, TOLD))


def test_the_lip_is_found_below_the_teeth(portrait):
    who = parted(portrait, TEETH)
    edge = edge_below_teeth(who.image, who.landmarks)
    true = lower_edge(portrait, TRUE)[list(LOWER_LIP[0]), :2]
    told = who.landmarks[list(LOWER_LIP[0]), :2]
    assert edge.shape == told.shape
    found, before = ((each - true)[2:7].norm(dim=1) for each in (edge, told))
    assert (found < 0.6 * before).all()


@pytest.mark.parametrize("colour", [DARK, None], ids=["dark", "lips"])
def test_what_is_not_teeth_is_left_alone(portrait, colour):
    lip = portrait.image[portrait.landmarks[17, 1].long() - 6, portrait.landmarks[17, 0].long()]
    who = parted(portrait, colour or lip.tolist())
    assert edge_below_teeth(who.image, who.landmarks) is None


@pytest.mark.parametrize("apart", [0.0, OPEN_MOUTH + 0.03], ids=["closed", "open"])
def test_only_lips_a_little_apart_are_looked_at(portrait, apart):
    image = parted(portrait, TEETH).image
    assert edge_below_teeth(image, lower_edge(portrait, apart)) is None


def test_a_face_of_no_size_is_left_alone(portrait):
    assert edge_below_teeth(portrait.image, torch.zeros_like(portrait.landmarks)) is None


@pytest.fixture(scope="module")
def frames(head, portrait):
    return MotionFrames(head, parted(portrait, TEETH))


def jaw(portrait, opened):
    """The photo's own coefficients [1, 52] with the jaw open."""
    coefficients = portrait.head.expression.clone()
    coefficients[ARKIT_INDEX["jawOpen"]] = opened
    return coefficients[None]


def draw(frames, coefficients):
    """One frame [H, W, 3], and its points [N, 3]."""
    still = torch.zeros(1, 3)
    return frames.draw(coefficients, still, still)[0], frames.mesh(coefficients, still, still)[0]


def test_teeth_stay_above_while_the_mouth_opens(frames, portrait):
    """As many rows of them are seen as in the photo, though the lower lip has gone down."""
    column = int(portrait.landmarks[13, 0])

    def rows(frame, points):
        lip = int(points[13, 1])
        seen = frame[lip - 3 : lip + 12, column - 2 : column + 3].mean(1)
        return int(((seen - torch.tensor(TEETH)).abs().amax(1) < 0.15).sum())

    rest, opened = (draw(frames, jaw(portrait, k)) for k in (0.0, 0.4))
    gap = [float((points[14] - points[13]) @ frames.mesh.down) for _, points in (rest, opened)]
    assert gap[1] > gap[0] + 3
    assert 0 < rows(*rest) <= rows(*opened) + 1


def test_a_mouth_that_opens_wide_is_no_wider_for_having_been_parted(frames, portrait, head):
    plain = MotionFrames(head, portrait)

    def gap(drawer, opened):
        _, points = draw(drawer, jaw(portrait, opened))
        middle = points[list(LOWER_LIP[0][2:7])] - points[list(UPPER_LIP[0][2:7])]
        return float((middle @ drawer.mesh.down).mean()) / drawer.mesh.mouth_width

    assert gap(frames, 0.0) - gap(plain, 0.0) > 0.05
    assert abs(gap(frames, 0.7) - gap(plain, 0.7)) < 0.03
    openings = [gap(frames, k) for k in (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)]
    assert openings == sorted(openings)
