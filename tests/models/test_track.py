"""The motion of a filmed face."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from synchrorama.models.head import HeadModel, rotation_angles
from synchrorama.models.media import read_image
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.portrait.track import motion_from_video
from synchrorama.models.types import ARKIT_INDEX, Motion

PICTURE = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"
YAW = (0.0, 0.2, 0.0, -0.2, -0.1, 0.0)  # the fifth frame is bridged
JAW = (0.0, 0.0, 0.8, 0.4, 0.2, 0.0)


@pytest.fixture(scope="module")
def tools():
    return {"landmarker": FaceLandmarker.from_checkpoint(), "head": HeadModel.from_checkpoint()}


@pytest.fixture(scope="module")
def clip(tools):
    portrait = prepare_portrait(read_image(PICTURE), size=256, **tools)
    coefficients = portrait.head.expression.repeat(len(YAW), 1)
    coefficients[:, ARKIT_INDEX["jawOpen"]] = torch.tensor(JAW)
    rotation = torch.zeros(len(YAW), 3)
    rotation[:, 1] = torch.tensor(YAW)
    motion = Motion(
        coefficients=coefficients,
        head_rotation=rotation,
        head_translation=torch.zeros(len(YAW), 3),
        fps=25.0,
    )
    frames = torch.cat(list(MotionFrames(tools["head"], portrait).render(motion)))
    frames[4] = 0.5  # no face
    return portrait, frames


@pytest.fixture(scope="module")
def tracked(tools, clip):
    return motion_from_video(clip[1], 25.0, **tools)


def test_head_and_jaw_are_read_back(tracked) -> None:
    motion, _ = tracked
    assert motion.frames == len(YAW) and motion.fps == 25.0
    turned = motion.head_rotation[:, 1] - motion.head_rotation[0, 1]
    assert torch.rad2deg((turned - torch.tensor(YAW)).abs().max()) < 4.0
    others = torch.rad2deg(motion.head_rotation[:, [0, 2]] - motion.head_rotation[0, [0, 2]])
    assert others.abs().max() < 4.0
    jaw = motion.coefficients[:, ARKIT_INDEX["jawOpen"]]
    assert jaw.argmax() == 2 and jaw[2] > 0.4 and jaw[0] < 0.1 and jaw[0] < jaw[3] < jaw[2]


def test_frames_without_a_face_are_bridged_and_counted(tracked) -> None:
    motion, report = tracked
    assert "1 frames without a face were bridged, 1 in a row at most." in report
    middle = (motion.coefficients[3] + motion.coefficients[5]) / 2
    assert torch.allclose(motion.coefficients[4], middle, atol=1e-5)


def test_the_reference_is_where_the_head_is_not_turned(tools, clip) -> None:
    motion, _ = motion_from_video(clip[1], 25.0, reference="first frame", **tools)
    assert motion.head_rotation[0].abs().max() < 1e-5
    assert motion.head_translation[0].abs().max() < 1e-5
    camera, report = motion_from_video(clip[1][:1], 25.0, reference="camera", **tools)
    own = rotation_angles(clip[0].head.rotation)
    assert torch.rad2deg((camera.head_rotation[0] - own).abs().max()) < 3.0
    assert "A face was seen in every frame." in report


def test_smoothing_and_a_portrait_as_rest(tools, clip, tracked) -> None:
    portrait, frames = clip
    smooth, _ = motion_from_video(frames, 25.0, smooth_s=0.1, **tools)
    column = ARKIT_INDEX["jawOpen"]
    assert smooth.coefficients[:, column].max() < tracked[0].coefficients[:, column].max()
    own, _ = motion_from_video(frames, 25.0, rest=torch.full((52,), 0.2), **tools)
    assert abs(float(own.coefficients[0].median()) - 0.2) < 0.05


def test_progress_is_told_and_can_stop(tools, clip) -> None:
    steps = []
    motion_from_video(clip[1][:2], 25.0, on_step=lambda *step: steps.append(step), **tools)
    assert steps and all(0 <= done <= of == 4 for done, of in steps)

    def stop(done: int, of: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        motion_from_video(clip[1], 25.0, on_step=stop, **tools)


@pytest.mark.parametrize(
    ("frames", "settings", "message"),
    [
        (torch.full((3, 128, 96, 3), 0.5), {}, "No face found in any of the 3 frames of 'images'"),
        (torch.zeros(0, 64, 64, 3), {}, "'images' holds no frames"),
        (torch.zeros(1, 64, 64, 3), {"fps": 100.0}, "'fps' is 100"),
        (torch.zeros(1, 64, 64, 3), {"smooth_s": math.nan}, "'smooth' is nan"),
        (torch.zeros(1, 64, 64, 3), {"reference": "left"}, "'reference' is 'left'"),
    ],
)
def test_videos_that_cannot_be_read_are_answered_by_a_sentence(
    tools, frames, settings, message
) -> None:
    with pytest.raises(ValueError, match=message):
        motion_from_video(frames, **{"fps": 25.0, **settings}, **tools)
