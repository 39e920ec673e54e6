from pathlib import Path

import pytest
import torch
from synchrorama.models.head import HeadModel
from synchrorama.models.media import read_image
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.portrait.preview import portrait_mask, portrait_preview

SAMPLE = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"


@pytest.fixture(scope="module")
def head():
    return HeadModel.from_checkpoint()


@pytest.fixture(scope="module")
def portrait(head):
    landmarker = FaceLandmarker.from_checkpoint()
    return prepare_portrait(read_image(SAMPLE), landmarker=landmarker, head=head, size=256)


def test_mask_covers_the_face_and_not_the_crop(portrait, head):
    mask = portrait_mask(portrait, head)
    assert mask.shape == portrait.image.shape[:2]
    assert mask.min() == 0.0
    assert mask.max() == 1.0
    x, y = portrait.landmarks[:, 0].long(), portrait.landmarks[:, 1].long()
    assert mask[y, x].mean() > 0.9
    box = float((x.max() - x.min()) * (y.max() - y.min()))
    assert 0.6 * box < mask.sum() < 2.5 * box


def test_preview_draws_on_the_head_only(portrait, head):
    before = portrait.image.clone()
    preview = portrait_preview(portrait, head)
    assert torch.equal(portrait.image, before)
    assert preview.shape == portrait.image.shape
    drawn = (preview - portrait.image).abs().amax(-1) > 0.1
    mask = portrait_mask(portrait, head) > 0
    wide = torch.nn.functional.max_pool2d(mask[None].float(), 15, 1, 7)[0] > 0
    assert drawn[mask].float().mean() > 0.2
    assert not drawn[~wide].any()
