from pathlib import Path

import pytest
import torch
from synchrorama.models.media import read_image
from synchrorama.models.types import Portrait
from synchrorama.nodes.portrait import SynchroRaMaPortraitPrepare

SAMPLE = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"


@pytest.fixture(scope="module")
def image():
    return read_image(SAMPLE)[None]


def prepare(image, size=256, face_index=0, **options):
    with torch.inference_mode():  # as ComfyUI runs nodes
        return SynchroRaMaPortraitPrepare.execute(image, size, face_index, **options).result


def test_outputs_fit_their_sockets(image):
    before = image.clone()
    portrait, crop, preview, mask = prepare(image)
    assert isinstance(portrait, Portrait)
    assert crop.shape == preview.shape == (1, 256, 256, 3)
    assert mask.shape == (1, 256, 256)
    assert torch.equal(image, before)


def test_core_landmarks_and_boxes_are_used(image):
    """The core landmarker's outputs, made from our own landmarks, give the same portrait."""
    own = prepare(image)[0]
    scale, shift = own.to_source[0, 0], own.to_source[:, 2]
    points = own.landmarks * scale + torch.cat([shift, torch.zeros(1)])
    low, high = points[:, :2].amin(0), points[:, :2].amax(0)
    face = {
        "bbox_xyxy": torch.cat([low, high]).numpy(),
        "landmarks_xy": points[:, :2].numpy(),
        "landmarks_3d": (points / 2.0).numpy(),
    }
    landmarks = {"frames": [[face]], "image_size": image.shape[1:3]}
    box = {"x": low[0], "y": low[1], "width": high[0] - low[0], "height": high[1] - low[1]}
    for options in ({"face_landmarks": landmarks}, {"face_box": [[box]]}):
        other = prepare(image, **options)[0]
        assert (other.landmarks - own.landmarks)[:, :2].norm(dim=1).mean() < 2.0
        assert torch.allclose(other.to_source, own.to_source, atol=4.0)


def test_a_batch_is_answered(image):
    with pytest.raises(ValueError, match="'image' holds 2 pictures"):
        prepare(image.expand(2, -1, -1, -1))


@pytest.mark.parametrize("size", [(1, 1), (64, 64)])
def test_no_face_is_answered(size):
    with pytest.raises(ValueError, match="No face found in 'image'"):
        prepare(torch.full((1, *size, 3), 0.5))


def test_a_face_that_is_not_there_is_answered(image):
    with pytest.raises(ValueError, match=r"'face_index' is 3, but 'image' has 1 face"):
        prepare(image, face_index=3)


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures_work(image, channels):
    grey = image.mean(-1, keepdim=True)
    given = grey if channels == 1 else torch.cat([image, torch.ones_like(grey)], -1)
    assert prepare(given)[1].shape == (1, 256, 256, 3)
