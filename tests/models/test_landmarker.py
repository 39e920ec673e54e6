"""The face landmarker on the shipped sample and on pictures made from it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from synchrorama.models.checkpoint import WEIGHTS, CheckpointError
from synchrorama.models.head import HeadModel
from synchrorama.models.portrait.blazeface import BlazeFace
from synchrorama.models.portrait.blendshapes import INDICES, SCORES
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.portrait.regions import overlap
from synchrorama.models.types import ARKIT_INDEX, ARKIT_NAMES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def landmarker():
    return FaceLandmarker.from_checkpoint()


@pytest.fixture(scope="module")
def sample():
    picture = Image.open(ROOT / "workflows" / "sample_portrait.png").convert("RGB")
    return torch.from_numpy(np.array(picture)).float() / 255


@pytest.fixture(scope="module")
def face(landmarker, sample):
    return landmarker.faces(sample)[0]


def resized(picture, height, width):
    """The picture [H, W, 3] at another size."""
    picture = picture.movedim(-1, 0)[None]
    return F.interpolate(picture, (height, width), mode="bilinear", antialias=True)[0].movedim(
        0, -1
    )


def eye_distance(face):
    return float((face.landmarks[33, :2] - face.landmarks[263, :2]).norm())


def apart(points, others):
    """Mean distance of landmarks in px."""
    return float((points[:, :2] - others[:, :2]).norm(dim=1).mean())


def test_sample_has_one_face(landmarker, sample):
    faces = landmarker.faces(sample)
    assert len(faces) == 1
    face = faces[0]
    assert face.score > 0.9
    assert face.landmarks.shape == (478, 3)
    assert overlap(face.box, landmarker.detect(sample)[0].box[None]) > 0.8
    # The subject's right eye is on the left of the picture; the mouth is below the nose.
    assert face.landmarks[468, 0] < face.landmarks[473, 0]
    assert face.landmarks[13, 1] > face.landmarks[1, 1] > face.landmarks[168, 1]


def test_coefficients_of_the_sample(face):
    values = face.coefficients
    assert values.shape == (52,)
    assert values.min() >= 0 and values.max() <= 1
    assert values[ARKIT_INDEX["tongueOut"]] == 0
    assert values[ARKIT_INDEX["jawOpen"]] < 0.1  # the mouth is shut
    assert values[ARKIT_INDEX["eyeBlinkLeft"]] < 0.3  # the eyes are open
    assert values[ARKIT_INDEX["eyeBlinkRight"]] < 0.3


def test_blendshapes_read_names_by_place(landmarker, face):
    """Raising the lower lip's landmarks off the upper one's opens the jaw."""
    opened = face.landmarks.clone()
    below = opened[:, 1] > opened[13, 1]
    opened[below, 1] += 0.3 * eye_distance(face)
    with torch.inference_mode():
        values = landmarker.blendshapes(opened[None])[0]
    jaw = ARKIT_INDEX["jawOpen"]
    assert values[jaw] > face.coefficients[jaw] + 0.3
    assert len(set(INDICES)) == 146
    assert set(SCORES) == {"_neutral", *ARKIT_NAMES} - {"tongueOut"}


def test_mirror_swaps_left_and_right(landmarker, sample, face):
    mirrored = landmarker.faces(sample.flip(1))[0]
    x = sample.shape[1] - mirrored.landmarks[:, 0]
    # No half pixel is lost between crop and picture: the mean place is the same.
    assert abs(float((x - face.landmarks[:, 0]).mean())) < 0.01 * eye_distance(face)
    for name in ("eyeBlink", "mouthSmile", "browOuterUp", "mouthPress"):
        left, right = ARKIT_INDEX[name + "Left"], ARKIT_INDEX[name + "Right"]
        assert abs(mirrored.coefficients[left] - face.coefficients[right]) < 0.15


def test_moves_with_the_picture(landmarker, sample, face):
    shifted = F.pad(sample, (0, 0, 37, 0, 21, 0))
    found = landmarker.faces(shifted)[0]
    offset = torch.tensor([37.0, 21.0, 0.0])
    assert apart(found.landmarks - offset, face.landmarks) < 0.015 * eye_distance(face)


@pytest.mark.parametrize("scale", [0.5, 2.5])
def test_grows_with_the_picture(landmarker, sample, face, scale):
    side = round(400 * scale)
    found = landmarker.faces(resized(sample, side, side))[0]
    distance = apart(found.landmarks / scale, face.landmarks)
    assert distance < 0.015 * eye_distance(face)
    difference = (found.coefficients - face.coefficients).abs()
    assert difference.mean() < 0.02
    assert difference.max() < 0.25  # half the pixels cost the brows some certainty


def test_turns_with_the_picture(landmarker, sample, face):
    angle = np.deg2rad(25.0)
    turn = torch.tensor(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0]], dtype=torch.float32
    )
    grid = F.affine_grid(turn[None], [1, 3, 400, 400], align_corners=False)
    turned = F.grid_sample(sample.movedim(-1, 0)[None], grid, align_corners=False)
    found = landmarker.faces(turned[0].movedim(0, -1))[0]
    back = (found.landmarks[:, :2] - 200) @ turn[:, :2].T + 200
    assert apart(back, face.landmarks) < 0.02 * eye_distance(face)


def test_a_given_box_replaces_the_search(landmarker, sample, face):
    loose = face.box + torch.tensor([-30.0, -20.0, 10.0, 25.0])
    found = landmarker.faces(sample, loose)
    assert len(found) == 1
    assert apart(found[0].landmarks, face.landmarks) < 0.015 * eye_distance(face)
    assert landmarker.faces(sample, torch.tensor([0.0, 300.0, 60.0, 360.0])) == []


def test_a_face_is_found_again_in_its_place(landmarker, sample):
    head = HeadModel.from_checkpoint()
    portrait = prepare_portrait(sample, landmarker=landmarker, head=head)
    assert landmarker.astray(portrait) < 0.01
    shifted = replace(portrait, landmarks=portrait.landmarks + 40.0)
    assert landmarker.astray(shifted) > 0.03
    grey = replace(portrait, source=torch.full_like(sample, 0.5))
    assert landmarker.astray(grey) == math.inf


def test_landmarks_of_a_person_stay_where_they_are_looked_at_from_beside(landmarker, sample):
    head = HeadModel.from_checkpoint()
    portrait = prepare_portrait(sample, landmarker=landmarker, head=head)
    assert landmarker.unsteady(portrait) < 0.012
    noise = torch.rand(sample.shape, generator=torch.Generator().manual_seed(0))
    assert landmarker.unsteady(replace(portrait, source=noise)) > 0.024


def test_two_faces_largest_first(landmarker, sample):
    both = torch.zeros(400, 700, 3)
    both[:200, :200] = resized(sample, 200, 200)
    both[:, 300:] = sample
    first, second = landmarker.faces(both)
    assert first.landmarks[1, 0] > 300 > second.landmarks[1, 0]


def test_small_face_in_a_wide_scene(landmarker, sample):
    """About 33 px in width in 2400 x 1800: found, once, and in the right place."""
    picture = torch.full((1800, 2400, 3), 0.4)
    picture[1503:1591, 1901:1989] = resized(sample, 88, 88)
    found = landmarker.faces(picture)
    assert len(found) == 1
    assert 30 < found[0].box[2] - found[0].box[0] < 40
    assert (found[0].landmarks[1, :2] - torch.tensor([1945.0, 1541.0])).norm() < 8


def test_face_in_the_largest_picture(landmarker, sample):
    picture = torch.full((6000, 8000, 3), 0.4)
    picture[4000:5200, 6000:7200] = resized(sample, 1200, 1200)
    found = landmarker.faces(picture)
    assert len(found) == 1
    assert 400 < found[0].box[2] - found[0].box[0] < 520


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (64, 64), (130, 700), (399, 401)])
def test_no_face_is_an_empty_list(landmarker, size):
    noise = torch.rand(*size, 3, generator=torch.Generator().manual_seed(1))
    assert landmarker.detect(noise) == []
    assert landmarker.faces(noise) == []


def test_pictures_are_not_changed(landmarker, sample):
    before = sample.clone()
    landmarker.faces(sample)
    landmarker.track(sample[None])
    assert torch.equal(sample, before)


def test_track_follows_a_moving_face(landmarker, sample):
    frames = torch.stack([sample.roll((2 * i, 5 * i), (0, 1)) for i in range(20)])
    track = landmarker.track(frames)
    assert all(found is not None for found in track)
    for index in (0, 7, 19):
        alone = landmarker.faces(frames[index])[0]
        distance = apart(track[index].landmarks, alone.landmarks)
        assert distance < 0.01 * eye_distance(alone)


def test_track_does_not_jitter_on_a_still(landmarker, sample):
    track = landmarker.track(sample.expand(20, -1, -1, -1))
    points = torch.stack([found.landmarks for found in track])
    assert points.std(0).max() < 0.005 * eye_distance(track[0])


def test_track_finds_a_lost_face_again(landmarker, sample):
    frames = sample.repeat(24, 1, 1, 1)
    frames[5:9] = 0.5
    frames[9:] = frames[9:].roll(60, 2)
    track = landmarker.track(frames)
    assert [found is None for found in track] == [5 <= index < 9 for index in range(24)]
    moved = track[10].landmarks[1, 0] - track[0].landmarks[1, 0]
    assert 57 < moved < 63


def test_track_starts_in_the_box(landmarker, sample):
    both = torch.cat([sample, resized(sample, 400, 400).flip(1)], 1)
    box = landmarker.faces(both[:, 400:])[0].box + torch.tensor([400.0, 0.0, 400.0, 0.0])
    for found in landmarker.track(both.repeat(3, 1, 1, 1), box):
        assert found.landmarks[1, 0] > 400
    assert landmarker.track(torch.zeros(2, 64, 64, 3)) == [None, None]
    assert landmarker.track(torch.zeros(0, 64, 64, 3)) == []


def test_detector_counts_its_anchors():
    with torch.inference_mode():
        shapes, scores = BlazeFace()(torch.zeros(2, 3, 128, 128))
    assert shapes.shape == (2, 896, 8, 2)
    assert scores.shape == (2, 896)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"'face\.safetensors' is not in"):
        FaceLandmarker.from_checkpoint(tmp_path / "face.safetensors")


def test_truncated_file_is_named(tmp_path):
    whole = (WEIGHTS / "face_landmarker.safetensors").read_bytes()
    short = tmp_path / "face.safetensors"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cut short"):
        FaceLandmarker.from_checkpoint(short)
