"""The fusion: what is removed is removed, who contradicts whom, and the circumplex."""

import json

import pytest
import torch
from synchrorama.models.emotion.circumplex import CLASS_POINTS, to_scores, to_valence_arousal
from synchrorama.models.emotion.fusion import (
    MODALITIES,
    NEUTRAL,
    TINY,
    EmotionFusion,
    EmotionFusionConfig,
    embed,
    fuse,
)
from synchrorama.models.types import EMOTIONS, Emotion


@pytest.fixture(scope="module")
def model() -> EmotionFusion:
    return EmotionFusion.from_checkpoint()


def estimate(
    name: str, strength: float = 0.9, sure: float = 0.8, frames: int = 20, fps: float = 25.0
) -> Emotion:
    """The same class in every frame, the rest of it neutral."""
    scores = torch.zeros(frames, len(EMOTIONS))
    scores[:, EMOTIONS.index(name)] += strength
    scores[:, NEUTRAL] += 1.0 - strength
    return Emotion(
        scores=scores,
        valence_arousal=to_valence_arousal(scores),
        confidence=torch.full((frames,), sure),
        embedding=torch.zeros(frames, 256),
        fps=fps,
    )


def told(emotion: Emotion) -> list[torch.Tensor]:
    return [
        emotion.scores,
        emotion.valence_arousal,
        emotion.confidence,
        emotion.embedding,
    ]


def test_points_and_classes_go_both_ways() -> None:
    for name, point in zip(EMOTIONS, CLASS_POINTS, strict=True):
        scores = to_scores(torch.tensor([point]))[0]
        assert scores.sum() == pytest.approx(1.0)
        assert scores[EMOTIONS.index("contemptuous")] == 0.0
        if name not in ("contemptuous", "angry"):  # anger and fear share a corner
            assert EMOTIONS[int(scores.argmax())] == name
    angry = to_scores(torch.tensor([CLASS_POINTS[0]]))[0]
    assert angry[0] > 0.3
    assert torch.allclose(to_valence_arousal(torch.eye(8)), torch.tensor(CLASS_POINTS))


def test_shapes_and_ranges(model) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 3, 7, 8, generator=generator).softmax(-1)
    points = torch.rand(2, 3, 7, 2, generator=generator) * 2 - 1
    sure = torch.rand(2, 3, 7, generator=generator)
    embedding, fused, point, confidence = model(scores, points, sure, torch.ones(2, 3))
    assert embedding.shape == (2, 7, 256)
    assert torch.allclose(fused.sum(-1), torch.ones(2, 7), atol=1e-5)
    assert point.shape == (2, 7, 2)
    assert point.abs().max() <= 1
    assert confidence.shape == (2, 7)
    assert (confidence >= 0).all()
    assert (confidence <= 1 - (1 - sure).prod(1) + 1e-6).all()


@pytest.mark.parametrize("left_out", range(3))
def test_weight_0_changes_no_bit(model, left_out) -> None:
    all_three = [estimate("happy"), estimate("angry", 0.6), estimate("sad", 0.7)]
    wild = Emotion(
        scores=torch.full((20, 8), float("nan")),
        valence_arousal=torch.full((20, 2), float("inf")),
        confidence=torch.full((20,), float("nan")),
        embedding=torch.zeros(20, 256),
        fps=25.0,
    )
    weights = [1.0, 0.7, 1.9]
    weights[left_out] = 0.0
    results = []
    for other in (all_three[left_out], wild, None):
        emotions = list(all_three)
        emotions[left_out] = other
        emotion, report = fuse(model, emotions, weights)
        results.append((told(emotion), report))
    for tensors, report in results[1:]:
        assert report == results[0][1]
        assert all(torch.equal(a, b) for a, b in zip(tensors, results[0][0], strict=True))
    weights[left_out] = 1.0
    with_it = told(fuse(model, all_three, weights)[0])
    assert not torch.equal(with_it[0], results[0][0][0])


def test_fewer_estimates_are_the_same_as_weight_0(model) -> None:
    scores = torch.randn(1, 3, 5, 8, generator=torch.Generator().manual_seed(1)).softmax(-1)
    points, sure = torch.zeros(1, 3, 5, 2), torch.full((1, 3, 5), 0.5)
    three = model(scores, points, sure, torch.tensor([[1.0, 2.0, 0.0]]))
    two = model(scores[:, :2], points[:, :2], sure[:, :2], torch.tensor([[1.0, 2.0]]))
    assert all(torch.equal(a, b) for a, b in zip(three, two, strict=True))


def test_nothing_to_hear_is_neutral_without_confidence(model) -> None:
    emotion, report = fuse(model, [estimate("happy"), None], [0.0, 1.0])
    neutral = torch.zeros(20, 8)
    neutral[:, NEUTRAL] = 1.0
    assert torch.equal(emotion.scores, neutral)
    assert torch.equal(emotion.confidence, torch.zeros(20))
    assert torch.equal(emotion.valence_arousal, torch.zeros(20, 2))
    assert report == "There are not two estimates to compare."


def test_one_bad_batch_entry_does_not_touch_another(model) -> None:
    scores = torch.full((2, 3, 4, 8), 1 / 8)
    weight = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    fused = model(scores, torch.zeros(2, 3, 4, 2), torch.full((2, 3, 4), 0.5), weight)
    assert all(torch.isfinite(one).all() for one in fused)
    assert torch.equal(fused[3][1], torch.zeros(4))


def test_agreement_is_followed_and_contradiction_lowers_confidence(model) -> None:
    agreed, nothing = fuse(model, [estimate("happy"), estimate("happy")], [1.0, 1.0])
    torn, report = fuse(model, [estimate("happy"), estimate("angry")], [1.0, 1.0])
    assert (agreed.scores.argmax(1) == EMOTIONS.index("happy")).all()
    assert (torn.confidence < agreed.confidence - 0.2).all()
    assert nothing == "The estimates do not contradict each other."
    assert report == "0.0 to 0.8 s: the words are happy, the voice is angry."


def test_it_knows_more_than_its_best_estimate_and_notices_contradictions(model, root) -> None:
    """Of real estimates: 60 sentences with 60 voices, each class as often as the others."""
    path = root / "tests" / "data" / "emotion_pairs.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["estimates"]
    words, voices = ([row for row in rows if row["kind"] == k] for k in ("text", "speech"))
    kinds = (words, voices, [row["valence_arousal"] for row in voices])
    pair = torch.cartesian_prod(torch.arange(60), torch.arange(60))  # [3600, 2]
    index = (pair[:, 0], pair[:, 1], pair[:, 1])
    inputs = [
        torch.stack([torch.tensor([row[field] for row in kind])[i] for kind, i in
                     zip(kinds, index, strict=True)], 1)[:, :, None]
        for field in ("scores", "point", "confidence")
    ]  # fmt: skip
    with torch.no_grad():
        _, fused, _, sure = model(*inputs, torch.ones(len(pair), 3))
    read, heard = (
        torch.tensor([EMOTIONS.index(row["label"]) for row in kind])[i]
        for kind, i in zip((words, voices), index, strict=False)
    )
    same = read == heard
    told = torch.cat([inputs[0][:, :, 0], fused], 1)  # [3600, 4, 8]
    right = (told.argmax(-1) == read[:, None])[same].float().mean(0)
    assert right[3] >= right[:3].max() + 0.05
    agreeing, torn = sure[same, 0], sure[~same, 0]
    assert (agreeing[:, None] > torn).float().mean() >= 0.78
    assert agreeing.mean() > torn.mean() + 0.2


def test_weights_decide_a_contradiction(model) -> None:
    both = [estimate("happy"), estimate("angry")]
    for weights, name in (([4.0, 0.25], "happy"), ([0.25, 4.0], "angry")):
        fused, _ = fuse(model, both, weights)
        assert (fused.scores.argmax(1) == EMOTIONS.index(name)).all()


def test_who_cannot_judge_is_not_heard(model) -> None:
    unable = estimate("neutral", sure=0.0)
    fused, report = fuse(model, [unable, estimate("angry")], [1.0, 1.0])
    assert (fused.scores.argmax(1) == EMOTIONS.index("angry")).all()
    assert report == "The estimates do not contradict each other."


def test_contradictions_are_told_with_their_times(model) -> None:
    text, speech = estimate("happy", frames=100), estimate("happy", frames=100)
    sad = estimate("sad", frames=100)
    for field in ("scores", "valence_arousal"):
        getattr(speech, field)[25:50] = getattr(sad, field)[25:50]
        getattr(speech, field)[80:82] = getattr(sad, field)[80:82]  # too short for a sentence
    _, report = fuse(model, [text, speech], [1.0, 1.0])
    assert report == "1.0 to 2.0 s: the words are happy, the voice is sad."
    _, report = fuse(model, [text, None, sad], [1.0, 1.0, 1.0])
    assert report == "0.0 to 4.0 s: the words are happy, the tone is unpleasant and calm."
    speech.confidence.fill_(0.1)
    assert "do not contradict" in fuse(model, [text, speech], [1.0, 1.0])[1]


def test_neutral_contradicts_nothing(model) -> None:
    _, report = fuse(model, [estimate("neutral"), estimate("angry")], [1.0, 1.0])
    assert report == "The estimates do not contradict each other."


def test_many_contradictions_are_counted(model) -> None:
    text, speech = estimate("happy", frames=500), estimate("angry", frames=500)
    for start in range(0, 500, 50):
        text.confidence[start : start + 10] = 0.0
    _, report = fuse(model, [text, speech], [1.0, 1.0])
    assert len(report.splitlines()) == 7
    assert report.endswith("And 4 shorter ones.")


def test_an_embedding_holds_what_was_given(model) -> None:
    """Scores, point and confidence can be read back from Z_emo of a mixture with contempt."""
    scores = torch.zeros(30, 8)
    scores[:, EMOTIONS.index("contemptuous")] = torch.linspace(0, 1, 30)
    scores[:, EMOTIONS.index("happy")] = 1 - torch.linspace(0, 1, 30)
    points = to_valence_arousal(scores)
    emotion = embed(model, scores, points, torch.ones(30), 25.0)
    assert torch.equal(emotion.scores, scores)
    assert emotion.embedding.shape == (30, 256)
    with torch.no_grad():
        read = model.to_scores(emotion.embedding).softmax(-1)
        at = model.to_valence_arousal(emotion.embedding).tanh()
    assert (read - scores).abs().mean() < 0.05
    assert (at - points).abs().mean() < 0.1


def test_a_long_clip_is_the_same_as_its_parts(model) -> None:
    long = estimate("happy", frames=9000)
    short = embed(model, long.scores[:5], long.valence_arousal[:5], long.confidence[:5], 25.0)
    whole = embed(model, long.scores, long.valence_arousal, long.confidence, 25.0)
    assert torch.allclose(whole.embedding[-5:], short.embedding, atol=1e-5)


def test_shipped_weights_are_small(root) -> None:
    assert (root / "models" / "weights" / "emotion_fusion.safetensors").stat().st_size <= 1e6
    assert len(MODALITIES) == 4


def test_nothing_connected_is_answered() -> None:
    with pytest.raises(ValueError, match="No emotion is connected"):
        fuse(EmotionFusion(TINY), [None, None, None], [1.0, 1.0, 1.0])


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_impossible_weights_are_answered(weight) -> None:
    with pytest.raises(ValueError, match="'speech_weight' is"):
        fuse(EmotionFusion(TINY), [None, estimate("happy")], [1.0, weight])


@pytest.mark.parametrize("other", [{"frames": 21}, {"fps": 24.0}])
def test_estimates_of_different_clips_are_answered(other) -> None:
    both = [estimate("happy"), estimate("happy", **other)]
    with pytest.raises(ValueError, match="'text' has 20 frames at 25 fps, 'speech' has"):
        fuse(EmotionFusion(TINY), both, [1.0, 1.0])


def test_impossible_sizes_are_answered() -> None:
    with pytest.raises(ValueError, match="a width that the heads divide"):
        EmotionFusionConfig(width=10, heads=4)
