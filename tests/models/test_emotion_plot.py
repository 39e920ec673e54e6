"""The emotion plot: what is drawn where, words, and what is told."""

import pytest
import torch
from synchrorama.models.drawing import wrap
from synchrorama.models.emotion.circumplex import to_valence_arousal
from synchrorama.models.emotion.plot import (
    CONFIDENCE_COLOUR,
    POINT_COLOUR,
    SCORES_COLOUR,
    describe,
    emotion_plot,
)
from synchrorama.models.types import EMOTIONS, Emotion


def felt(name: str = "neutral", frames: int = 50) -> Emotion:
    scores = torch.zeros(frames, 8)
    scores[:, EMOTIONS.index(name)] = 1.0
    return Emotion(
        scores=scores,
        valence_arousal=to_valence_arousal(scores),
        confidence=torch.full((frames,), 0.5),
        embedding=torch.zeros(frames, 256),
        fps=25.0,
    )


def coloured(emotion: Emotion, colour: tuple[int, int, int]) -> torch.Tensor:
    plot, _ = emotion_plot(emotion)
    near = (plot[0] * 255 - torch.tensor(colour)).abs().amax(-1) < 30
    near[:, :130] = False
    return near


def test_each_class_has_its_row() -> None:
    rest = coloured(felt(), SCORES_COLOUR)
    heights = []
    for index, name in enumerate(EMOTIONS):
        if name != "neutral":
            emotion = felt()
            emotion.scores[:, index] = 1.0  # beside neutral, whose row stays as it is
            moved = coloured(emotion, SCORES_COLOUR) & ~rest
            heights.append(moved.nonzero()[:, 0].min())
    assert (torch.stack(heights).diff() > 30).all()


def test_confidence_and_point_are_drawn_on_their_own() -> None:
    sure, calm = felt(), felt()
    sure.confidence[10:40] = 1.0
    calm.valence_arousal[10:40, 1] = -0.9
    for other, own in ((sure, CONFIDENCE_COLOUR), (calm, POINT_COLOUR)):
        for colour in (SCORES_COLOUR, POINT_COLOUR, CONFIDENCE_COLOUR):
            same = torch.equal(coloured(felt(), colour), coloured(other, colour))
            assert same == (colour != own)


def test_words_are_drawn_where_they_are_said() -> None:
    speech = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)) * 0.2
    late = "0:01.0-0:01.9 Hello there"
    early = "0:00.1-0:00.9 Hello there"
    speech = speech.repeat(1, 2)
    drawn = [emotion_plot(felt(), speech, 16000, text)[0][0] for text in (early, late)]
    differ = (drawn[0] - drawn[1]).abs().amax(-1) > 0.2
    columns = differ.any(0).nonzero()[:, 0]
    assert differ.any(1).sum() < 120  # the row of words and no other
    assert columns.max() - columns.min() > 300
    assert torch.equal(
        emotion_plot(felt(), speech, 16000)[0], emotion_plot(felt(), speech, 16000, " \n")[0]
    )


def test_text_is_wrapped_and_cut_off() -> None:
    assert wrap("one two three", 7, 2, len) == ["one two", "three"]
    assert wrap("one two three four", 7, 2, len) == ["one two", "three…"]
    assert wrap("unbelievable", 5, 3, len) == ["unbe…"]
    assert wrap("a", 0, 3, len) == [""]
    assert wrap("", 9, 3, len) == []


def test_it_is_told_in_words() -> None:
    emotion = felt("happy", 50)
    emotion.scores[:10] = torch.eye(8)[EMOTIONS.index("sad")]
    emotion.confidence[:25] = 0.1
    told = describe(emotion)
    assert "50 frames at 25 fps, 2.0 s." in told
    assert "happy: the strongest class in 80 % of the frames, at most 1.00 at 0.4 s." in told
    assert told.index("happy") < told.index("sad: the strongest class in 20 %")
    assert "Confidence 0.30 on average, below 0.3 in 50 % of the frames." in told


def test_bad_numbers_one_frame_and_small_pictures_still_give_a_plot() -> None:
    emotion = felt(frames=1)
    emotion.confidence.fill_(float("nan"))
    assert emotion_plot(emotion, None, None, "words", 256, 160)[0].shape == (1, 160, 256, 3)


def test_what_cannot_be_drawn_is_answered() -> None:
    with pytest.raises(ValueError, match="is 100×768; labels need at least 256×160"):
        emotion_plot(felt(), width=100)
    with pytest.raises(ValueError, match="'emotion' has no frames"):
        emotion_plot(felt(frames=0))
    with pytest.raises(ValueError, match="'audio' comes without a sample rate"):
        emotion_plot(felt(), torch.zeros(1, 100), None)
