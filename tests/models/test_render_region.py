"""Where the renderer may change a frame."""

import pytest
import torch
from synchrorama.models.landmarks import EYES
from synchrorama.models.media import read_image
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.render.region import MOUTH, refine_boxes, refine_region
from synchrorama.models.types import Face


@pytest.fixture(scope="module")
def landmarks(request):
    from pathlib import Path

    picture = read_image(Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png")
    face: Face = FaceLandmarker.from_checkpoint().faces(picture)[0]
    low = face.landmarks[:, :2].amin(0)
    extent = (face.landmarks[:, :2] - low).max()
    return (face.landmarks[None, :, :2] - low) / extent * 150 + 50  # a face of 150 px


def at(region, points):
    return torch.stack([region[0, int(y), int(x)] for x, y in points])


def test_lips_and_lids_are_inside_and_cheeks_are_not(landmarks):
    region = refine_region(landmarks, 256, 256)
    assert region.shape == (1, 256, 256)
    assert 0 <= float(region.min()) and float(region.max()) == 1
    assert at(region, landmarks[0, list(MOUTH)]).min() > 0.9
    for eye in EYES:
        assert at(region, landmarks[0, eye.loop]).min() > 0.5
    assert at(region, landmarks[0, [50, 280, 10, 152, 4]]).max() == 0  # cheeks, brow, chin, nose
    assert (region > 0).float().mean() < 0.15


def test_parts_can_be_chosen(landmarks):
    mouth, eyes = (refine_region(landmarks, 256, 256, [part]) for part in ("mouth", "eyes"))
    both = refine_region(landmarks, 256, 256)
    assert torch.equal(torch.maximum(mouth, eyes), both)
    assert at(mouth, landmarks[0, EYES[0].loop]).max() == 0
    assert refine_region(landmarks, 256, 256, []).max() == 0
    with pytest.raises(ValueError, match=r"'parts' names nose\. Use mouth or eyes"):
        refine_region(landmarks, 256, 256, ["nose"])


def test_it_moves_and_turns_with_the_face(landmarks):
    frames = torch.cat((landmarks, landmarks + torch.tensor([7.0, -4.0])))
    still, moved = refine_region(frames, 256, 256)
    assert (moved[4:-8, 8:-8] - still.roll((-4, 7), (0, 1))[4:-8, 8:-8]).abs().max() < 1e-4
    centre = torch.tensor([128.0, 128.0])
    quarter = (landmarks - centre) @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]]) + centre
    turned = refine_region(quarter, 256, 256)[0]
    assert (turned - still.rot90(-1, (0, 1))).abs().max() < 1e-4


def test_boxes_hold_the_spots_of_all_frames(landmarks):
    frames = torch.cat((landmarks, landmarks + torch.tensor([9.0, -5.0])))
    region = refine_region(frames, 256, 256).amax(0)
    boxes = refine_boxes(frames, 256, 256, 4)
    held = torch.zeros(256, 256)
    for box in boxes:
        held[4 * box.top : 4 * box.bottom, 4 * box.left : 4 * box.right] = 1
        assert (box.bottom - box.top) % 4 == (box.right - box.left) % 4 == 0
    assert len(boxes) == 2
    assert bool(((held > 0) | (region == 0)).all())
    assert held.mean() < 0.4
    assert len(refine_boxes(frames, 256, 256, 4, ["mouth"])) == 1
    assert refine_boxes(frames, 256, 256, 4, []) == []


def test_boxes_stay_in_the_picture(landmarks):
    for shift in (-120.0, 120.0):
        for box in refine_boxes(landmarks + shift, 256, 256, 4):
            assert 0 <= box.top < box.bottom <= 64
            assert 0 <= box.left < box.right <= 64
