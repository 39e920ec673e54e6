"""Weights beside the built-in ones, and lips that listen with wav2vec 2.0, end to end."""

import json
from dataclasses import replace

import folder_paths
import pytest
import torch
from synchrorama.models.checkpoint import CheckpointError, save_checkpoint
from synchrorama.models.motion.audio_to_motion import (
    FORMAT,
    TINY,
    AudioToMotion,
    motion_from_audio,
)
from synchrorama.models.motion.listener import STEP, WINDOW, Listener
from synchrorama.nodes import host
from synchrorama.nodes.motion import SynchroRaMaMotionFromAudio
from synchrorama.nodes.motion_weights import load_motion_weights, motion_weights

SIZES = {
    "hidden_size": 768, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
    "conv_dim": [4] * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
HEARS = "wav2vec2"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    host.register_folder()
    (tmp_path / host.FOLDER).mkdir()
    return tmp_path / host.FOLDER


def weights(folder, name, hears):
    config = replace(TINY, articulation=replace(TINY.articulation, features=hears))
    torch.random.default_generator.manual_seed(0)
    model = AudioToMotion(config)
    save_checkpoint(
        folder / name,
        model.state_dict(),
        format=FORMAT,
        config=model.config_dict(),
        source="a test",
        licence="Apache-2.0",
    )


def ear(folder, name="ear", **changes):
    transformers = pytest.importorskip("transformers")
    torch.random.default_generator.manual_seed(0)
    config = transformers.Wav2Vec2Config(**{**SIZES, **changes})
    transformers.Wav2Vec2Model(config).save_pretrained(folder / name)


def audio(seconds):
    sound = torch.randn(1, 1, round(seconds * 16000), generator=torch.Generator().manual_seed(1))
    return {"waveform": 0.1 * sound, "sample_rate": 16000}


def test_with_nothing_installed_there_is_one_choice(folder):
    assert motion_weights() == [host.BUILT_IN]
    choice = SynchroRaMaMotionFromAudio.define_schema().inputs[-1]
    assert (choice.id, choice.options) == ("weights", [host.BUILT_IN])


def test_only_fitting_pairs_are_offered(folder):
    weights(folder, "mine.safetensors", "mel")
    weights(folder, "listens.safetensors", HEARS)
    (folder / "broken.safetensors").write_bytes(b"no weights")
    assert motion_weights() == [host.BUILT_IN, "mine.safetensors"]
    ear(folder)
    ear(folder, "narrow", hidden_size=32)
    assert motion_weights() == [host.BUILT_IN, "listens.safetensors + ear", "mine.safetensors"]


def test_a_motion_comes_from_features_of_wav2vec(folder):
    weights(folder, "listens.safetensors", HEARS)
    ear(folder)

    def move(sound):
        node = SynchroRaMaMotionFromAudio
        arguments = (sound, 25.0, 0, 1.0, 1.0, 1.0)
        return node.execute(*arguments, weights="listens.safetensors + ear").result[0]

    heard = move(audio(1.3))
    assert heard.coefficients.shape == (33, 52)
    assert torch.isfinite(heard.coefficients).all()
    assert torch.equal(move(audio(1.3)).coefficients, heard.coefficients)
    model, listener = load_motion_weights("listens.safetensors + ear")
    with pytest.raises(ValueError, match="trained on features of wav2vec 2.0, and no folder"):
        motion_from_audio(model, audio(0.2)["waveform"], 16000)
    samples = audio(1.3)["waveform"][0, 0]
    features = listener.hear(samples)
    assert features.shape == (-(-len(samples) // STEP), 768)
    shapes = model.articulation(features[None])[0]
    listener.normal = False
    louder = model.articulation(listener.hear(3.0 * samples)[None])[0]
    assert not torch.allclose(shapes, louder)  # what it says depends on what was heard


def test_a_long_clip_is_heard_in_windows(folder):
    ear(folder)
    listener = Listener.from_folder(folder / "ear")
    samples = audio(STEP * (WINDOW + 3) / 16000)["waveform"][0, 0]
    steps = []
    features = listener.hear(samples, lambda done, total: steps.append((done, total)))
    assert features.shape == (WINDOW + 3, 768)
    assert steps == [(1, 2), (2, 2)]


def test_what_is_gone_or_different_is_answered(folder):
    with pytest.raises(ValueError, match="'weights' is 'gone.safetensors', which is not in"):
        load_motion_weights("gone.safetensors")
    ear(folder, "narrow", hidden_size=32)
    with pytest.raises(CheckpointError, match="'narrow' holds wav2vec2 of width 32, needed is"):
        Listener.from_folder(folder / "narrow")
    ear(folder)
    told = {"sampling_rate": 8000}
    (folder / "ear" / "preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(CheckpointError, match="'ear' hears 8000 samples a second"):
        Listener.from_folder(folder / "ear")
