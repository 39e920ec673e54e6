"""Folders as the hub gives them, tiny and random."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from synchrorama.models.checkpoint import CheckpointError
from synchrorama.models.emotion.fusion import TINY, EmotionFusion
from synchrorama.models.emotion.speech_folder import SpeechFolder
from synchrorama.models.emotion.speech_windows import (
    emotion_from_speech,
    valence_arousal_from_speech,
)
from synchrorama.models.types import EMOTIONS

transformers = pytest.importorskip("transformers")

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
    "conv_dim": [8, 8], "conv_stride": [5, 64], "conv_kernel": [10, 64],
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8,
    "mask_time_prob": 0.0,
}  # fmt: skip
ANGRY, HAPPY, SAD = "ang", "Happiness", "sad"


def classifier(folder, family, names=(ANGRY, HAPPY, SAD, "frog")):
    config = getattr(transformers, f"{family}Config")(
        **SIZES, id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)}
    )
    model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"sampling_rate": 16000, "do_normalize": True})
    )
    return model


def regression(folder):
    """audeering's layout: wav2vec2.*, classifier.dense, classifier.out_proj."""
    names = ("arousal", "dominance", "valence")
    config = transformers.Wav2Vec2Config(**SIZES, id2label=dict(enumerate(names)), label2id={})
    base = transformers.Wav2Vec2Model(config)
    base.save_pretrained(folder)
    tensors = {f"wav2vec2.{k}": v for k, v in load_file(folder / "model.safetensors").items()}
    head = torch.nn.Linear(16, 16), torch.nn.Linear(16, 3)
    for name, layer in zip(("dense", "out_proj"), head, strict=True):
        tensors[f"classifier.{name}.weight"] = layer.weight.detach()
        tensors[f"classifier.{name}.bias"] = layer.bias.detach()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    written = json.loads((folder / "config.json").read_text())
    written["architectures"] = ["Wav2Vec2ForSpeechClassification"]
    (folder / "config.json").write_text(json.dumps(written))
    return base.train(False), head


@pytest.fixture
def fusion():
    return EmotionFusion(TINY).train(False)


def noise(seconds=2.0):
    return torch.randn(1, int(seconds * 16000), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", ["Wav2Vec2", "Hubert", "WavLM", "UniSpeechSat"])
def test_classifiers_say_what_transformers_says(tmp_path, family):
    theirs = classifier(tmp_path, family).train(False)
    folder = SpeechFolder.from_folder(tmp_path)
    assert folder.unknown == ("frog",)
    assert not folder.tells_valence_arousal
    sound = noise()
    normal = (sound - sound.mean()) / (sound.var(correction=0) + 1e-7).sqrt()
    with torch.no_grad():
        scores, point, sure, _ = folder.listen(sound, sound)
        want = theirs(normal).logits.softmax(1)[0, :3]
    assert torch.allclose(scores[0, EMOTIONS.index("happy")], want[1] / want.sum(), atol=1e-4)
    assert float(sure[0]) == pytest.approx(float(want.max()), abs=1e-4)
    assert point.shape == (1, 2)


def test_a_regression_folder_says_valence_and_arousal(tmp_path):
    base, (dense, out) = regression(tmp_path)
    folder = SpeechFolder.from_folder(tmp_path)
    assert folder.tells_valence_arousal
    sound = noise()
    normal = (sound - sound.mean()) / (sound.var(correction=0) + 1e-7).sqrt()
    with torch.no_grad():
        _, point, _, sure = folder.listen(sound, sound)
        arousal, _, valence = out(dense(base(normal).last_hidden_state.mean(1)).tanh())[0]
    want = torch.stack([valence, arousal]) * 2.0 - 1.0
    assert torch.allclose(point[0], want.clamp(-1.0, 1.0), atol=1e-4)
    assert float(sure[0]) == 0.5


@pytest.mark.parametrize("estimate", [emotion_from_speech, valence_arousal_from_speech])
@pytest.mark.parametrize("make", [regression, lambda folder: classifier(folder, "Wav2Vec2")])
@pytest.mark.parametrize("seconds", [0.01, 3.3])
def test_folders_run_over_clips(tmp_path, fusion, estimate, make, seconds):
    make(tmp_path)
    emotion = estimate(SpeechFolder.from_folder(tmp_path), fusion, noise(seconds), 16000)
    assert emotion.scores.shape[0] == -(-int(seconds * 16000 * 25) // 16000)
    assert torch.allclose(emotion.scores.sum(1), torch.ones(len(emotion.scores)), atol=1e-5)


def test_other_folders_are_answered(tmp_path):
    def refused(message):
        with pytest.raises(CheckpointError, match=message):
            SpeechFolder.from_folder(tmp_path)

    refused("holds no config.json")
    (tmp_path / "config.json").write_text("{")
    refused("config.json in .* cannot be read")
    (tmp_path / "config.json").write_text("[]")
    refused("does not describe a model")
    (tmp_path / "config.json").write_text("{}")
    refused("holds no model.safetensors")
    (tmp_path / "pytorch_model.bin").touch()
    refused("pickled weights .pytorch_model.bin.")
    (tmp_path / "model.safetensors").write_bytes(b"short")
    refused("holds nothing that it names, needed is a classifier of waveforms")
    (tmp_path / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    refused("holds BertForSequenceClassification, needed is")
    (tmp_path / "config.json").write_text('{"architectures": ["HubertForSequenceClassification"]}')
    refused("'model.safetensors' in .* cannot be read")


def test_unknown_labels_alone_are_answered(tmp_path):
    classifier(tmp_path, "Wav2Vec2", ("LABEL_0", "LABEL_1"))
    with pytest.raises(CheckpointError, match="tells LABEL_0, LABEL_1, which are not emotions"):
        SpeechFolder.from_folder(tmp_path)


def test_another_sample_rate_is_answered(tmp_path):
    classifier(tmp_path, "Wav2Vec2")
    (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    with pytest.raises(CheckpointError, match="hears 8000 samples a second, needed are 16000"):
        SpeechFolder.from_folder(tmp_path)


def test_weights_that_do_not_fill_the_model_are_answered(tmp_path):
    classifier(tmp_path, "Wav2Vec2")
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks 1 weights of Wav2Vec2.*classifier\.weight"):
        SpeechFolder.from_folder(tmp_path)
