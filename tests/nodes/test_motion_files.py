"""Motions from videos and files, and their readout, as nodes."""

from __future__ import annotations

import folder_paths
import pytest
import torch
from synchrorama.models.types import Motion
from synchrorama.nodes import host
from synchrorama.nodes.motion_files import (
    SynchroRaMaMotionActionUnits,
    SynchroRaMaMotionFromVideo,
    SynchroRaMaMotionLoad,
    SynchroRaMaMotionSave,
)

PREFIX = "motion/SynchroRaMa"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("input", "output"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(
            folder_paths, f"get_{name}_directory", lambda name=name: str(tmp_path / name)
        )
    return tmp_path


@pytest.fixture
def motion():
    chance = torch.Generator().manual_seed(1)
    return Motion(
        coefficients=torch.rand(60, 52, generator=chance),
        head_rotation=0.2 * torch.randn(60, 3, generator=chance),
        head_translation=torch.zeros(60, 3),
        fps=24.0,
    )


@pytest.mark.parametrize("kind", ["safetensors", "Live Link Face CSV"])
def test_what_is_saved_can_be_chosen_and_loaded(folders, motion, kind) -> None:
    (name,) = SynchroRaMaMotionSave.execute(motion, PREFIX, kind).result
    assert (folders / "output" / name).is_file()
    choices = SynchroRaMaMotionLoad.define_schema().inputs[0].options
    assert f"{name} [output]" in choices
    back, report = SynchroRaMaMotionLoad.execute(f"{name} [output]", 0.0, "radians").result
    assert (back.coefficients - motion.coefficients).abs().max() <= 1e-6
    assert (back.head_rotation - motion.head_rotation).abs().max() <= 1e-6
    assert report.startswith("60 frames at 24 fps, 2.50 s:")


def test_files_are_numbered_and_seen_to_change(folders, motion) -> None:
    names = [SynchroRaMaMotionSave.execute(motion, PREFIX, "safetensors").result[0] for _ in "ab"]
    assert names == [
        "motion/SynchroRaMa_00001_.safetensors",
        "motion/SynchroRaMa_00002_.safetensors",
    ]
    chosen = names[0] + " [output]"
    before = SynchroRaMaMotionLoad.fingerprint_inputs(file=chosen, fps=0.0, angles="radians")
    assert before
    (folders / "output" / names[0]).write_bytes(b"changed")
    assert SynchroRaMaMotionLoad.fingerprint_inputs(file=chosen) != before
    assert SynchroRaMaMotionLoad.fingerprint_inputs(file="none.csv") == ""


def test_files_of_the_input_folder_are_offered(folders) -> None:
    (folders / "input" / "takes").mkdir()
    (folders / "input" / "takes" / "phone.csv").write_text("Timecode\n")
    (folders / "input" / "face.png").write_bytes(b"")
    assert host.motion_files() == ["takes/phone.csv"]
    with pytest.raises(ValueError, match="'phone.csv' lacks 52 of the 52 columns"):
        SynchroRaMaMotionLoad.execute("takes/phone.csv", 0.0, "radians")


def test_nothing_outside_of_comfyuis_folders_is_touched(folders, motion) -> None:
    with pytest.raises(ValueError, match="'filename_prefix' is '../out', which lies outside"):
        SynchroRaMaMotionSave.execute(motion, "../out", "safetensors")
    with pytest.raises(ValueError, match="'file' is '../secret.csv', which lies outside"):
        SynchroRaMaMotionLoad.execute("../secret.csv", 0.0, "radians")
    with pytest.raises(ValueError, match="which is not there"):
        SynchroRaMaMotionLoad.execute("gone.csv", 0.0, "radians")


def test_a_video_without_a_face_is_answered_by_a_sentence() -> None:
    with pytest.raises(ValueError, match="No face found in any of the 2 frames of 'images'"):
        SynchroRaMaMotionFromVideo.execute(torch.zeros(2, 128, 128, 3), 25.0, 0.0, "average")


def test_action_units_come_as_picture_and_table(motion) -> None:
    plot, table = SynchroRaMaMotionActionUnits.execute(motion, 640, 480).result
    assert plot.shape == (1, 480, 640, 3)
    assert "lip corner puller" in table
    with pytest.raises(ValueError, match="'neutral' 30 at 24"):
        short = Motion(
            coefficients=motion.coefficients[:30],
            head_rotation=motion.head_rotation[:30],
            head_translation=motion.head_translation[:30],
            fps=24.0,
        )
        SynchroRaMaMotionActionUnits.execute(motion, 640, 480, short)
