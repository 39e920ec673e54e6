import pytest
import torch
from synchrorama.models.checkpoint import CheckpointError, save_checkpoint
from synchrorama.models.emotion.fusion import TINY as TINY_FUSION
from synchrorama.models.emotion.fusion import EmotionFusion
from synchrorama.models.emotion.text import BuiltinJudge, Judgement, emotion_from_text
from synchrorama.models.emotion.text_model import (
    FORMAT,
    GROUPS,
    LABELS,
    TINY,
    Reader,
    TextEmotion,
    TextEmotionConfig,
    code,
    group_table,
    pack,
    phrases,
    tokens,
    unpack,
)
from synchrorama.models.types import EMOTIONS

RATE, FPS = 8000, 10.0
NEUTRAL = EMOTIONS.index("neutral")


@pytest.fixture(scope="module")
def judge():
    return BuiltinJudge(TextEmotion.from_checkpoint())


@pytest.fixture
def tiny():
    torch.random.default_generator.manual_seed(0)
    model = TextEmotion(TINY).train(False)
    words = ["i", "am", "so", "happy", "!", "don't", "😂"]
    model.vocabulary[: len(words)] = torch.tensor([code(word) for word in words])
    model.vocabulary[len(words) :] = -1
    model.known_phrases[:] = -1
    model.known_phrases[0] = code("so happy")
    return model


def noise(seconds):
    return torch.randn(1, int(seconds * RATE), generator=torch.Generator().manual_seed(0)) * 0.1


def told(sentence):
    """A judge that knows two words."""
    scores = torch.zeros(len(sentence), len(EMOTIONS))
    for i, text in enumerate(sentence):
        scores[i, EMOTIONS.index("happy" if "good" in text else "sad")] = 1.0
    return Judgement(scores, torch.full((len(sentence),), 0.5), "A note.")


def test_labels_are_those_of_the_paper():
    assert len(LABELS) == 28
    assert [name for name, _ in LABELS] == sorted(name for name, _ in LABELS[:-1]) + ["neutral"]
    assert group_table().sum(0).tolist() == [3, 1, 2, 12, 1, 5, 4]
    assert set(GROUPS) == set(EMOTIONS) - {"contemptuous"}


def test_tokens():
    assert tokens("I DON’T know… SOOOO bad!!") == ["i", "don't", "know", "..", "soo", "bad", "!!"]
    assert tokens("[NAME] is 42 😂") == ["[name]", "is", "42", "😂"]
    assert len(tokens("word " * 500)) == 48
    assert phrases(["a", "b", "c"]) == ["a b", "b c", "a b c"]


def test_reader_finds_words_phrases_and_strangers(tiny):
    reader = Reader(tiny.vocabulary, tiny.known_phrases, TINY.pieces)
    ids, units, known = reader.read(["I am so happy", "Ich bin so froh", "", "😂", "🦑", "42!"])
    assert ids[0, :, 0].tolist() == [1, 2, 3, 4]
    assert units[0].tolist() == [1, 2, 3, 4, TINY.words + 1]
    assert known.tolist() == [1.0, 0.25, 0.0, 0.0, 0.0, 0.0]
    assert not ids[2].any()


def test_a_sentence_reads_the_same_in_any_batch(tiny):
    reader = Reader(tiny.vocabulary, tiny.known_phrases, TINY.pieces)
    for member in tiny.by_word:
        torch.nn.init.normal_(member.out.bias)
    alone = tiny(*reader.read(["so happy !"])[:2])
    beside = tiny(*reader.read(["so happy !", "i don't know what else there is to say", ""])[:2])
    assert torch.allclose(alone[:, 0], beside[:, 0], atol=1e-6)
    assert torch.allclose(alone.exp().sum(-1), torch.ones(3, 1))


def test_packed_weights_come_back(tiny, tmp_path):
    back = unpack(pack(tiny.state_dict()))
    for name, value in tiny.state_dict().items():
        assert back[name].dtype == value.dtype
        assert torch.allclose(back[name], value, atol=float(value.abs().max()) / 120)
    again = unpack(pack(back))
    assert all(torch.allclose(again[name], back[name], atol=1e-3) for name in back)
    path = tmp_path / "text.safetensors"
    config = {**tiny.config_dict(), "temperature": 0.8}
    save_checkpoint(
        path, pack(tiny.state_dict()), format=FORMAT, config=config, source="", licence=""
    )
    model = TextEmotion.from_checkpoint(path)
    assert model.config.temperature == 0.8
    assert torch.equal(model.vocabulary, tiny.vocabulary)
    config["words"] = 17
    save_checkpoint(
        path, pack(tiny.state_dict()), format=FORMAT, config=config, source="", licence=""
    )
    with pytest.raises(CheckpointError, match="does not fit TextEmotion"):
        TextEmotion.from_checkpoint(path)


@pytest.mark.parametrize("wrong", [{"words": 0}, {"temperature": 0.0}])
def test_configs_are_checked(wrong):
    with pytest.raises(ValueError, match="a size below 1 or a temperature"):
        TextEmotionConfig(**wrong)
    with pytest.raises(ValueError, match="needs 7 thresholds"):
        TextEmotionConfig(thresholds=(0.5,))


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("I love this, it makes me so happy!", "happy"),
        ("I hate you, this makes me so angry!", "angry"),
        ("I am so scared, this is terrifying.", "fearful"),
        ("This is disgusting, it makes me sick.", "disgusted"),
        ("I am so sad, I have been crying all day.", "sad"),
        ("Wow, I am so surprised, I did not expect that!", "surprised"),
        ("He works on the second floor of the building.", "neutral"),
    ],
)
def test_shipped_weights_know_the_obvious(judge, text, emotion):
    judged = judge([text])
    assert EMOTIONS[int(judged.scores[0].argmax())] == emotion
    assert 0.3 < float(judged.confidence[0]) <= 1.0
    assert float(judged.scores[0, EMOTIONS.index("contemptuous")]) == 0.0


@pytest.mark.parametrize(
    "text",
    ["", "...", "123 456", "我今天非常高兴！", "Я очень рад тебя видеть", "xqzt vwklp brrgh"],
)
def test_what_cannot_be_judged_is_neutral_without_confidence(judge, text):
    judged = judge([text])
    assert float(judged.confidence[0]) < 0.05
    assert float(judged.scores[0, NEUTRAL]) > 0.95


def test_another_language_is_doubted(judge):
    judged = judge(["I am so glad to see you!", "Ich freue mich so, dich zu sehen!"])
    english, german = judged.confidence
    assert float(german) < 0.3 < float(english)


def test_sentences_do_not_depend_on_each_other(judge):
    texts = [f"I am happy {'very ' * i}today" for i in range(70)]
    together = judge(texts)
    for i in (0, 33, 69):
        alone = judge([texts[i]])
        assert torch.allclose(together.scores[i], alone.scores[0], atol=1e-4)
        assert float(together.confidence[i]) == pytest.approx(float(alone.confidence[0]), abs=1e-4)


def test_emotion_follows_the_sentences():
    fusion = EmotionFusion(TINY_FUSION).train(False)
    emotion, report = emotion_from_text(
        told, fusion, "0:00-0:02 All good.\n0:02-0:03 All lost.", noise(4.0), RATE, fps=FPS
    )
    assert emotion.scores.shape == (40, 8)
    assert torch.allclose(emotion.scores.sum(1), torch.ones(40))
    names = [EMOTIONS[i] for i in emotion.scores.argmax(1).tolist()]
    assert names[:19] == ["happy"] * 19
    assert names[21:29] == ["sad"] * 8
    assert names[32:] == ["neutral"] * 8
    assert emotion.confidence[[5, 25]].tolist() == pytest.approx([0.5, 0.5])
    assert float(emotion.confidence[-1]) == 0.0
    assert float(emotion.valence_arousal[5, 0]) > 0.5
    assert float(emotion.valence_arousal[25, 0]) < -0.3
    step = emotion.scores.diff(dim=0).abs().amax()
    assert 0.0 < float(step) < 0.6  # sentences fade into each other
    assert report.splitlines() == [
        "A note.",
        "0.0–2.0 s: happy 1.00 (confidence 0.50): All good.",
        "2.0–3.0 s: sad 1.00 (confidence 0.50): All lost.",
    ]


@pytest.mark.parametrize("text", ["", " \n\n", "🙃" * 3, "..."])
def test_no_words_are_neutral(judge, text):
    fusion = EmotionFusion(TINY_FUSION).train(False)
    emotion, report = emotion_from_text(judge, fusion, text, noise(1.0), RATE, fps=25.0)
    assert emotion.scores.shape == (25, 8)
    assert float(emotion.confidence.max()) < 0.35
    if not text.strip():
        assert report == "There are no words: neutral with confidence 0."
        assert float(emotion.scores[:, NEUTRAL].min()) == 1.0


def test_a_very_long_transcript():
    fusion = EmotionFusion(TINY_FUSION).train(False)
    emotion, report = emotion_from_text(
        told, fusion, "All good here, and more of it. " * 7000, noise(3.0), RATE, fps=FPS
    )
    assert emotion.scores.shape == (30, 8)
    assert len(report.splitlines()) == 202
    assert report.endswith("And 6800 sentences more.")


def test_empty_audio_is_answered():
    fusion = EmotionFusion(TINY_FUSION).train(False)
    with pytest.raises(ValueError, match="'audio' is empty"):
        emotion_from_text(told, fusion, "Good.", torch.zeros(1, 0), RATE, fps=FPS)
