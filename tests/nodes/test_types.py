import pytest
import torch
from synchrorama.nodes import types


def core_face(x0, y0, x1, y1, turn=0.0):
    """A face as ComfyUI's core landmarker gives it: pixels, and a scaled, turned copy."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(478, 3, generator=generator)
    size = torch.tensor([x1 - x0, x1 - x0])
    xy = torch.tensor([x0, y0]) + points[:, :2] * size
    cosine, sine = torch.cos(torch.tensor(turn)), torch.sin(torch.tensor(turn))
    rotation = torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])
    crop = torch.cat([points[:, :2] @ rotation.T, points[:, 2:]], 1) * 192
    box = [x0, y0, x1, y1]
    return {"bbox_xyxy": box, "landmarks_xy": xy.numpy(), "landmarks_3d": crop.numpy()}


def test_one_picture_of_any_channels():
    grey = types.one_picture(torch.full((1, 2, 3, 1), 0.25))
    assert grey.shape == (2, 3, 3)
    assert torch.equal(grey, torch.full((2, 3, 3), 0.25))
    clear = types.one_picture(torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(1, 2, 3, 4))
    assert torch.allclose(clear, torch.full((2, 3, 3), 0.5))
    solid = types.one_picture(torch.tensor([1.0, 0.0, 0.0, 1.0]).expand(1, 2, 3, 4))
    assert torch.equal(solid, torch.tensor([1.0, 0.0, 0.0]).expand(2, 3, 3))


def test_batch_of_pictures_is_answered():
    with pytest.raises(ValueError, match="'image' holds 2 pictures, needed is one"):
        types.one_picture(torch.zeros(2, 4, 4, 3))


def test_picture_of_two_channels_is_answered():
    with pytest.raises(ValueError, match="'image' has 2 channels"):
        types.one_picture(torch.zeros(1, 4, 4, 2))


def test_one_speech():
    waveform, rate = types.one_speech({"waveform": torch.zeros(1, 2, 7), "sample_rate": 8000})
    assert waveform.shape == (2, 7)
    assert rate == 8000


def test_batch_of_speech_is_answered():
    with pytest.raises(ValueError, match="'audio' holds 2 clips, needed is one"):
        types.one_speech({"waveform": torch.zeros(2, 1, 7), "sample_rate": 8000})


def test_box_in_each_form_that_packs_send():
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    large = {"x": 0, "y": 0, "width": 30, "height": 40}
    want = [1.0, 2.0, 4.0, 6.0]
    assert types.one_box(box, 0).tolist() == want
    assert types.one_box([box], 0).tolist() == want
    assert types.one_box([[box, large]], 0).tolist() == [0.0, 0.0, 30.0, 40.0]
    assert types.one_box([[box, large]], 1).tolist() == want


@pytest.mark.parametrize("boxes", [[], [[]]])
def test_no_box_is_answered(boxes):
    with pytest.raises(ValueError, match="'face_index' is 0 but 'face_box' holds 0 faces"):
        types.one_box(boxes, 0)


@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_core_landmarks_come_in_pixels(turn):
    small, large = core_face(5.0, 5.0, 9.0, 9.0), core_face(10.0, 20.0, 110.0, 120.0, turn)
    landmarks = {"frames": [[small, large]], "image_size": (200, 200)}
    found = types.one_landmarks(landmarks, 0)
    assert found.shape == (478, 3)
    assert torch.equal(found[:, :2], torch.as_tensor(large["landmarks_xy"]))
    depth = torch.as_tensor(large["landmarks_3d"])[:, 2] / 192 * 100  # the box is 100 px wide
    assert torch.allclose(found[:, 2], depth, rtol=1e-4)
    box = types.around(found)
    assert (box >= torch.tensor([10.0, 20.0, 10.0, 20.0])).all()
    assert (box <= torch.tensor([110.0, 120.0, 110.0, 120.0])).all()


def test_core_landmarks_without_a_face_are_answered():
    with pytest.raises(ValueError, match="'face_landmarks' holds 0 faces"):
        types.one_landmarks({"frames": [[]], "image_size": (200, 200)}, 0)


def test_other_landmarks_are_answered():
    face = core_face(0.0, 0.0, 9.0, 9.0)
    face["landmarks_xy"] = face["landmarks_xy"][:68]
    with pytest.raises(ValueError, match="holds 68 points, needed are 478"):
        types.one_landmarks({"frames": [[face]]}, 0)
