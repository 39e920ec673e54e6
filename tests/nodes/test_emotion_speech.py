import pytest
import torch
from synchrorama.models.emotion.fusion import TINY as TINY_FUSION
from synchrorama.models.emotion.fusion import EmotionFusion
from synchrorama.models.emotion.speech_emotion import TINY, SpeechEmotion
from synchrorama.nodes import emotion as nodes
from synchrorama.nodes import host

RATE = 8000


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Tiny untrained networks instead of the shipped ones."""
    speech, fusion = SpeechEmotion(TINY).train(False), EmotionFusion(TINY_FUSION).train(False)
    monkeypatch.setattr(SpeechEmotion, "from_checkpoint", lambda: speech)
    monkeypatch.setattr(EmotionFusion, "from_checkpoint", lambda: fusion)


def audio(seconds=1.3, batch=1):
    sound = torch.randn(batch, 2, int(seconds * RATE), generator=torch.Generator().manual_seed(0))
    return {"waveform": 0.1 * sound, "sample_rate": RATE}


def test_from_speech():
    (emotion,) = nodes.SynchroRaMaEmotionFromSpeech.execute(audio(), 10.0, host.BUILT_IN).result
    assert emotion.scores.shape == (13, 8)
    assert emotion.fps == 10.0


def test_valence_arousal():
    node = nodes.SynchroRaMaEmotionValenceArousal
    (emotion,) = node.execute(audio(), 10.0, host.BUILT_IN, 1.0).result
    assert emotion.valence_arousal.shape == (13, 2)
    with pytest.raises(ValueError, match="'prosody' is 3"):
        node.execute(audio(), 10.0, host.BUILT_IN, 3.0)


def test_bad_audio_and_a_folder_that_is_gone_are_answered():
    node = nodes.SynchroRaMaEmotionFromSpeech
    with pytest.raises(ValueError, match="'audio' holds 2 clips"):
        node.execute(audio(batch=2), 10.0, host.BUILT_IN)
    with pytest.raises(ValueError, match="'audio' is empty"):
        node.execute(audio(0.0), 10.0, host.BUILT_IN)
    with pytest.raises(ValueError, match="'model' is 'gone', which is not in the folder"):
        node.execute(audio(), 10.0, "gone")


def test_a_folder_takes_the_networks_place_and_unknown_labels_are_shown(
    tmp_path, monkeypatch, caplog
):
    transformers = pytest.importorskip("transformers")
    names = {0: "happy", 1: "sad", 2: "frog"}
    config = transformers.HubertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=[8, 8], conv_stride=[5, 64], conv_kernel=[10, 64], num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, classifier_proj_size=8, id2label=names,
        label2id={name: i for i, name in names.items()},
    )  # fmt: skip
    folder = tmp_path / "voice"
    transformers.HubertForSequenceClassification(config).save_pretrained(folder)
    monkeypatch.setattr(host, "model_folder", lambda name: tmp_path / name)
    (emotion,) = nodes.SynchroRaMaEmotionFromSpeech.execute(audio(), 10.0, "voice").result
    assert emotion.scores.shape == (13, 8)
    assert "'voice': labels that are no class: frog" in caplog.text
