"""Takes side by side on a contact sheet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synchrorama.models.head import HeadModel
from synchrorama.models.media import read_image
from synchrorama.models.motion.takes import (
    CELL,
    GAP,
    LABEL,
    TITLE,
    ContactSheet,
    moments_of,
    picked,
    reduced,
    seeds_of,
)
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.types import Motion

PICTURE = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"


@pytest.fixture(scope="module")
def portrait():
    return prepare_portrait(
        read_image(PICTURE),
        landmarker=FaceLandmarker.from_checkpoint(),
        head=HeadModel.from_checkpoint(),
    )


def still(portrait, frames: int = 20) -> Motion:
    return Motion(
        coefficients=portrait.head.expression.repeat(frames, 1),
        head_rotation=torch.zeros(frames, 3),
        head_translation=torch.zeros(frames, 3),
        fps=25.0,
    )


def nodding(portrait, frame: int) -> Motion:
    motion = still(portrait)
    rotation = motion.head_rotation.clone()
    rotation[frame, 1] = 0.2
    return replace(motion, head_rotation=rotation)


def test_moments_are_where_takes_differ(portrait) -> None:
    takes = [still(portrait), nodding(portrait, 3)]
    assert moments_of(takes, 2) == [3, 15]
    assert moments_of([still(portrait, 1)] * 2, 9) == [0]


def test_sheet_shows_each_take_and_frames_the_picked(portrait) -> None:
    takes = [still(portrait), nodding(portrait, 3), still(portrait)]
    sheet = ContactSheet(HeadModel.from_checkpoint(), portrait).draw(takes, [7, 8, 9], 2, 2)[0]
    assert sheet.shape == (TITLE + 3 * (CELL + GAP) + GAP, LABEL + 2 * (CELL + GAP) + GAP, 3)
    rows = [
        sheet[TITLE + GAP + i * (CELL + GAP) :][:CELL, LABEL + GAP : LABEL + GAP + CELL]
        for i in range(3)
    ]
    assert torch.equal(rows[0], rows[2])
    assert (rows[0] - rows[1]).abs().max() > 0.2
    edge = sheet[TITLE + GAP + 300, LABEL + GAP // 2]
    assert torch.allclose(edge, torch.tensor([230.0, 159.0, 0.0]) / 255)
    assert sheet[:, :LABEL].max() > 0.5  # the labels


def test_reduced_portrait_lies_on_the_same_points(portrait) -> None:
    small = reduced(portrait, 128)
    assert small.image.shape == (128, 128, 3)
    corner = torch.cat([portrait.landmarks[0, :2], torch.ones(1)])
    small_corner = torch.cat([small.landmarks[0, :2], torch.ones(1)])
    where, small_where = portrait.to_source @ corner, small.to_source @ small_corner
    assert torch.allclose(where, small_where, atol=1e-2)
    assert reduced(portrait, 4096) is portrait


def test_seeds_and_picks_out_of_range_are_named(portrait) -> None:
    assert seeds_of(2**64 - 1, 3) == [2**64 - 1, 0, 1]
    with pytest.raises(ValueError, match="'count' is 1"):
        seeds_of(0, 1)
    with pytest.raises(ValueError, match="'pick' is 4, but there are 3 takes"):
        picked([0, 1, 2], 4)
    with pytest.raises(ValueError, match="differ in length"):
        ContactSheet(HeadModel.from_checkpoint(), portrait).draw(
            [still(portrait), still(portrait, 3)], [0, 1], 1, 2
        )
