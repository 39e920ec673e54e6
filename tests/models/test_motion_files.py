"""Motions in files, our own and Live Link Face's."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import save_file
from scipy.spatial.transform import Rotation
from synchrorama.models.head import rotation_matrix
from synchrorama.models.motion.files import from_csv, load_motion, save_motion, to_csv
from synchrorama.models.types import ARKIT_INDEX, Motion

# The header as Live Link Face writes it: right before left for jaw and mouth.
HEADER = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,"
    "EyeLookUpLeft,EyeSquintLeft,EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,"
    "EyeLookOutRight,EyeLookUpRight,EyeSquintRight,EyeWideRight,JawForward,JawRight,JawLeft,"
    "JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,MouthSmileLeft,"
    "MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,"
    "MouthStretchLeft,MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,"
    "MouthShrugUpper,MouthPressLeft,MouthPressRight,MouthLowerDownLeft,MouthLowerDownRight,"
    "MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,BrowOuterUpLeft,"
    "BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,"
    "TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,"
    "RightEyePitch,RightEyeRoll"
)
NAMES = HEADER.split(",")


def a_motion(frames: int = 40, fps: float = 25.0) -> Motion:
    chance = torch.Generator().manual_seed(4)
    return Motion(
        coefficients=torch.rand(frames, 52, generator=chance),
        head_rotation=0.3 * torch.randn(frames, 3, generator=chance),
        head_translation=0.1 * torch.randn(frames, 3, generator=chance),
        fps=fps,
    )


def line(timecode: str, **values: float) -> str:
    cells = [f"{values.get(name, 0.0):.10f}" for name in NAMES[2:]]
    return ",".join([timecode, "61", *cells])


def recording(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


# Recorded at 30 a second; the app counts to 60, so that each row is two later.
STEPS = ("13:13:59:56.652", "13:13:59:58.651", "13:14:00:00.651", "13:14:00:02.651")


def test_safetensors_keeps_every_bit(tmp_path) -> None:
    motion = a_motion(fps=23.976)
    save_motion(motion, tmp_path / "a.safetensors")
    back, report = load_motion(tmp_path / "a.safetensors")
    for name in ("coefficients", "head_rotation", "head_translation"):
        assert torch.equal(getattr(back, name), getattr(motion, name))
    assert back.fps == 23.976
    assert report == "40 frames at 23.976 fps, 1.67 s: a motion of this pack."


@pytest.mark.parametrize("fps", [8.0, 23.976, 25.0, 29.97, 59.94, 60.0])
@pytest.mark.parametrize("frames", [2, 90])
def test_csv_comes_back_exact(tmp_path, fps, frames) -> None:
    motion = a_motion(frames, fps)
    save_motion(motion, tmp_path / "a.csv")
    back, _ = load_motion(tmp_path / "a.csv")
    assert back.fps == fps and back.frames == frames
    assert (back.coefficients - motion.coefficients).abs().max() <= 1e-6
    assert (back.head_rotation - motion.head_rotation).abs().max() <= 1e-6
    assert back.head_translation.abs().max() == 0


def test_csv_is_what_live_link_face_writes() -> None:
    rows = to_csv(a_motion(60)).splitlines()
    assert rows[0] == HEADER
    assert len(rows) == 61
    assert rows[1].startswith("00:00:00:00.000,61,")
    assert rows[2].startswith("00:00:00:02.400,61,")
    assert rows[26].startswith("00:00:01:00.000,61,")


def test_a_recording_of_the_app_loads() -> None:
    text = recording(
        line(STEPS[0], JawOpen=0.25, JawRight=0.1, EyeBlinkLeft=1.0),
        line(STEPS[1], JawOpen=0.5, HeadPitch=0.1),
        line(STEPS[2]),
        line(STEPS[3], TongueOut=1.0),
    )
    motion, notes = from_csv(text, "take.csv")
    assert motion.fps == 30.0 and motion.frames == 4
    assert motion.coefficients[0, ARKIT_INDEX["jawOpen"]] == 0.25
    assert motion.coefficients[0, ARKIT_INDEX["jawRight"]] == pytest.approx(0.1)
    assert motion.coefficients[0, ARKIT_INDEX["eyeBlinkLeft"]] == 1.0
    assert motion.coefficients[3, ARKIT_INDEX["tongueOut"]] == 1.0
    assert motion.head_rotation[1].tolist() == pytest.approx((0.1, 0.0, 0.0))
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("column", "point", "goes"),
    [
        ("HeadYaw", (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0)),  # the nose to the subject's right
        ("HeadPitch", (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),  # the nose down
        ("HeadRoll", (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),  # the crown to the subject's left
    ],
)
def test_the_head_turns_as_in_the_app(column, point, goes) -> None:
    motion, _ = from_csv(recording(line(STEPS[0], **{column: math.pi / 2})), "a.csv", fps=25.0)
    turned = rotation_matrix(motion.head_rotation[0]) @ torch.tensor(point)
    assert torch.allclose(turned, torch.tensor(goes), atol=1e-6)


def test_head_angles_are_unreals_of_the_same_rotation() -> None:
    """Its conversion of ARKit's quaternions, and its yaw, pitch and roll of a quaternion."""
    motion = a_motion(20)
    rows = [row.split(",") for row in to_csv(motion).splitlines()[1:]]
    written = [[float(cell) for cell in row[54:57]] for row in rows]
    for angles, row in zip(motion.head_rotation, written, strict=True):
        x, y, z, w = Rotation.from_matrix(rotation_matrix(angles.double()).numpy()).as_quat()
        x, y, z, w = -z, x, y, -w
        yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        pitch = math.asin(2 * (z * x - w * y))
        roll = math.atan2(-2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
        assert row == pytest.approx((yaw, pitch, roll), abs=1e-6)


def test_eyes_turn_as_in_the_app() -> None:
    motion = a_motion(1)
    gaze = torch.zeros(1, 52)
    gaze[0, ARKIT_INDEX["eyeLookOutLeft"]] = gaze[0, ARKIT_INDEX["eyeLookInRight"]] = 1.0
    gaze[0, ARKIT_INDEX["eyeLookDownLeft"]] = 0.5
    text = to_csv(Motion(**{**vars(motion), "coefficients": gaze}))
    cells = dict(zip(NAMES, text.splitlines()[1].split(","), strict=True))
    assert float(cells["LeftEyeYaw"]) == float(cells["RightEyeYaw"]) == -0.6
    assert float(cells["LeftEyePitch"]) == pytest.approx(0.275)


def test_frames_that_the_app_left_out_are_bridged() -> None:
    text = recording(
        line(STEPS[0], JawOpen=0.2),
        f"{STEPS[1]},0",
        line(STEPS[2], JawOpen=0.6),
        line("13:14:00:04.651", JawOpen=1.0),
    )
    motion, notes = from_csv(text, "a.csv")
    assert motion.frames == 5 and motion.fps == 30.0
    jaw = motion.coefficients[:, ARKIT_INDEX["jawOpen"]]
    assert jaw.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0], abs=1e-6)
    assert "1 rows without values bridged" in notes


def test_degrees_and_a_given_rate(tmp_path) -> None:
    text = recording(line("1", HeadPitch=9.0), line("2")).replace("HeadYaw", "headyaw")
    motion, _ = from_csv(text, "a.csv", fps=24.0, angles="degrees")
    assert motion.fps == 24.0
    assert float(motion.head_rotation[0, 0]) == pytest.approx(math.radians(9.0))
    without = [i for i, name in enumerate(NAMES) if not name.startswith(("Head", "Left", "Right"))]
    cut = "\n".join(",".join(row.split(",")[i] for i in without) for row in text.splitlines()[:2])
    motion, notes = from_csv(cut, "a.csv", fps=24.0)
    assert motion.head_rotation.abs().max() == 0
    assert "no head columns, so the head is still" in notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'a.csv' lacks 52 of the 52 columns, first eyeBlinkLeft"),
        (
            recording(line(STEPS[0])).replace("JawOpen,", "Jaw,"),
            "'a.csv' lacks 1 of the 52 columns, first jawOpen. Choose a CSV",
        ),
        (recording(line(STEPS[0])).replace("HeadRoll", "Tilt"), "not all of HeadYaw"),
        (recording(), "'a.csv' has no row with values"),
        (recording(STEPS[0] + ",0"), "'a.csv' has no row with values"),
        (
            recording(line(STEPS[0], JawOpen=87.0)),
            "up to 87, needed are 0 to 1. Divide them by 100",
        ),
        (recording(line(STEPS[0], HeadYaw=12.0)), "by up to 12, .* 'angles' to degrees"),
        (recording(line(STEPS[0]).replace("0.0", "x", 1)), "Line 2 of 'a.csv' .* no number"),
        (recording(line(STEPS[0])), "tell no frame rate. Set 'fps'"),
        (recording(line("a"), line("b")), "tell no frame rate. Set 'fps'"),
        (recording(line(STEPS[1]), line(STEPS[0])), "do not rise. Set 'fps'"),
        (
            recording(line("00:00:00:00.000"), line("00:00:01:00.000")),
            "has 1 rows a second by its timecodes, needed are 8 to 60",
        ),
    ],
)
def test_csv_that_cannot_be_used_is_answered_by_a_sentence(text, message) -> None:
    with pytest.raises(ValueError, match=message):
        from_csv(text, "a.csv")


def test_files_that_hold_no_motion_are_named(tmp_path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "a.txt").write_text("?")
    (tmp_path / "a.safetensors").write_bytes(b"short")
    save_file({"x": torch.zeros(1)}, tmp_path / "b.safetensors")
    save_motion(a_motion(), tmp_path / "c.safetensors")
    tensors = {n: torch.zeros(2, 3) for n in ("head_rotation", "head_translation")}
    header = {"format": "synchrorama.motion", "version": "9", "fps": "25"}
    save_file({**tensors, "coefficients": torch.zeros(2, 52)}, tmp_path / "d.safetensors", header)
    for name, message in (
        ("a.csv", "no text in UTF-8"),
        ("a.txt", "neither .safetensors nor .csv"),
        ("a.safetensors", "cannot be read"),
        ("b.safetensors", "holds 'an unknown format', needed is 'synchrorama.motion'"),
        ("d.safetensors", "has version 9 of the format"),
        ("none.csv", "which is not there"),
    ):
        with pytest.raises(ValueError, match=message):
            load_motion(tmp_path / name)
    with pytest.raises(ValueError, match="ends in neither"):
        save_motion(a_motion(), tmp_path / "a.json")
