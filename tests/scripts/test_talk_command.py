import json
import subprocess
import sys
from pathlib import Path

import av
import pytest
import torch
from synchrorama.models.render.weights import BUILTIN_FILE

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "workflows"


def talk(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "talk.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def given(tmp_path, **changes):
    options = {
        "portrait": SAMPLES / "sample_portrait.png",
        "audio": SAMPLES / "sample_speech.wav",
        "out": tmp_path / "out.mp4",
    } | changes
    return [part for key, value in options.items() for part in (f"--{key}", value)]


def assert_refused(done, sentence):
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("renderer", "magic", "invalid choice: 'magic'"),
        ("emotion", "merry", "'--emotion' is 'merry'. Use one of angry, disgusted,"),
        ("emotion", "happy:2", "'--emotion' has the strength '2'. Use a number from 0 to 1"),
        ("emotion", "happy:", "'--emotion' has the strength ''. Use a number from 0 to 1"),
        ("steps", "4", "'--steps' is for '--renderer diffusion'"),
        ("fps", "fast", "invalid float value: 'fast'"),
    ],
)
def test_what_is_not_there_is_answered_at_once(tmp_path, option, value, sentence):
    assert_refused(talk(*given(tmp_path, **{option: value})), sentence)


@pytest.mark.skipif(BUILTIN_FILE.is_file(), reason="the built-in weights are there")
def test_missing_renderer_weights_are_answered(tmp_path):
    done = talk(*given(tmp_path, renderer="diffusion", steps=2))
    assert_refused(done, "The built-in renderer's weights are not part of this version")


def test_missing_arguments_are_answered():
    assert_refused(talk("--out", "x.mp4"), "The following arguments are required: --portrait")


def test_missing_picture_is_answered(tmp_path):
    done = talk(*given(tmp_path, portrait=tmp_path / "none.png"))
    assert_refused(done, "none.png' does not exist")


def test_a_folder_that_cannot_be_made_is_answered(tmp_path):
    (tmp_path / "file").touch()
    done = talk(*given(tmp_path, out=tmp_path / "file" / "out.mp4"))
    assert_refused(done, "file' cannot be made")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_answered(tmp_path):
    assert_refused(talk(*given(tmp_path, device="cuda")), "torch sees no GPU")


@pytest.mark.parametrize("felt", [{"emotion": "contemptuous:0.75"}, {"text": "How wonderful!"}])
def test_a_short_video_is_written(tmp_path, felt):
    with av.open(str(SAMPLES / "sample_speech.wav")) as file:
        rate = file.streams.audio[0].rate
        frame = next(file.decode(audio=0))
    short = tmp_path / "short.wav"
    with av.open(str(short), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=rate, layout=frame.layout.name)
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    seconds = frame.samples / rate
    motion, out = tmp_path / "motion.json", tmp_path / "new" / "out.mp4"
    done = talk(
        *given(tmp_path, audio=short, out=out, fps=10, size=256, **felt), "--motion-json", motion
    )
    assert done.returncode == 0, done.stderr
    expected = -int(-seconds * 10 // 1)
    with av.open(str(out)) as file:
        assert len(list(file.decode(video=0))) == expected
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.audio[0].codec_context.name == "aac"
    document = json.loads(motion.read_text())
    assert document["fps"] == 10
    assert len(document["names"]) == 52
    rows = {"coefficients": 52, "head_rotation": 3, "head_translation": 3}
    for name, columns in rows.items():
        assert torch.tensor(document[name]).shape == (expected, columns)
    scene = document["scene"]
    assert scene["prompt"].startswith("Head and shoulders shot, ")
    assert "eyes open" in scene["prompt"]
    assert all(0 <= one["start"] < one["end"] <= seconds + 0.01 for one in scene["beats"])
    emotion = document["emotion"]
    scores = torch.tensor(emotion["scores"])
    assert scores.shape == (expected, len(emotion["labels"])) == (expected, 8)
    assert torch.allclose(scores.sum(1), torch.ones(expected), atol=1e-4)
    for name in ("valence", "arousal", "confidence"):
        assert len(emotion[name]) == expected
    if "emotion" in felt:
        assert "contemptuous" in scene["prompt"].lower()
        assert dict(zip(emotion["labels"], emotion["scores"][0], strict=True)) == dict.fromkeys(
            emotion["labels"], 0.0
        ) | {"contemptuous": 0.75, "neutral": 0.25}
        dimple = document["names"].index("mouthDimpleRight")
        assert document["coefficients"][0][dimple] > 0.2  # the face shows it
