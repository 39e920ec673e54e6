import math

import pytest
import torch
from synchrorama.models.text_timing import (
    MOST_WORDS,
    split_sentences,
    timed_sentences,
)

RATE = 8000


def speech(*parts):
    """A voice of noise: (seconds, level) one after the other, [1, S]."""
    chance = torch.Generator().manual_seed(0)
    return torch.cat(
        [torch.randn(1, int(s * RATE), generator=chance) * 0.1 * level for s, level in parts], 1
    )


def times(text, seconds=10.0):
    sentences, _ = timed_sentences(text, speech((seconds, 1.0)), RATE)
    return [(round(one.start, 2), round(one.end, 2), one.text) for one in sentences]


def test_plain_text_lasts_for_its_share_of_letters():
    (a, b, one), (c, d, two) = times("Short one. This is thrice as long as it.")
    assert (one, two) == ("Short one.", "This is thrice as long as it.")
    assert a == 0.0
    assert b == c
    assert d == 10.0
    assert b == pytest.approx(10.0 * len(one) / (len(one) + len(two)), abs=0.05)


def test_silence_takes_no_share():
    waveform = speech((2.0, 0.0), (2.0, 1.0), (3.0, 0.0), (2.0, 1.0), (1.0, 0.0))
    sentences, _ = timed_sentences("Some words. More words.", waveform, RATE)
    first, second = sentences
    assert first.start == pytest.approx(2.0, abs=0.1)
    assert 3.7 < first.end < 7.3
    assert second.end == pytest.approx(9.0, abs=0.1)


def test_sentences_end_at_the_longest_pause_that_is_near():
    """Letters say half and half, but who speaks takes breath at 3 s, and shortly at 4.2 s."""
    waveform = speech((3.0, 1.0), (0.5, 0.0), (0.7, 1.0), (0.25, 0.0), (3.5, 1.0))
    first, second = timed_sentences("Some few words. More few words.", waveform, RATE)[0]
    assert first.end == pytest.approx(3.0, abs=0.05)
    assert second.start == pytest.approx(3.5, abs=0.05)


def test_a_pause_far_from_a_sentence_is_not_its_end():
    waveform = speech((1.0, 1.0), (0.5, 0.0), (8.5, 1.0))
    first, second = timed_sentences("Some few words. More few words.", waveform, RATE)[0]
    assert first.end == second.start == pytest.approx(5.25, abs=0.2)


def test_silent_audio_is_shared_evenly():
    sentences, _ = timed_sentences("One two. Six ten.", torch.zeros(1, 4 * RATE), RATE)
    assert [one.end for one in sentences] == pytest.approx([2.1, 4.0], abs=0.2)


@pytest.mark.parametrize("dash", ["-", "–", "—", " - ", " – ", " --> "])
def test_timed_lines(dash):
    text = f"0:00{dash}0:02 Hello there.\n0:02{dash}0:04.5 Good bye.\n\n1:00{dash}1:01 End."
    if "-->" in dash:
        text = text.replace(" Hello", "\nHello").replace(" Good", "\nGood").replace(" End", "\nEnd")
        text = text.replace("\n0:02 ", "\n\n0:02 ")
    assert times(text, 70.0) == [
        (0.0, 2.0, "Hello there."),
        (2.0, 4.5, "Good bye."),
        (60.0, 61.0, "End."),
    ]


SRT = """1
00:00:00,000 --> 00:00:02,000
<i>Hello</i>
there.

2
00:00:02,500 --> 00:00:04,000
99 balloons.
"""

VTT = """WEBVTT - a title
Kind: captions

NOTE
a comment
of two lines

first
00:00.000 --> 00:02.000 align:start position:0%
<v Anna>Hello
there.

00:02.500 --> 00:04.000
99 balloons.
"""


@pytest.mark.parametrize("text", [SRT, VTT, SRT.replace("\n", "\r\n"), "\ufeff" + SRT, VTT[:-1]])
def test_subtitles(text):
    assert times(text) == [(0.0, 2.0, "Hello there."), (2.5, 4.0, "99 balloons.")]


def test_two_sentences_share_a_timed_line():
    assert times("0:02-0:06 Yes? Sir.") == [(2.0, 4.0, "Yes?"), (4.0, 6.0, "Sir.")]


def test_the_last_line_is_cut_at_the_end_of_the_audio_and_this_is_said():
    sentences, notes = timed_sentences("0:00-0:20 Hello.", speech((10.0, 1.0)), RATE)
    assert sentences[0].end == 10.0
    assert notes == ["Line 1 was cut at the end of the audio, 10.00 s."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0:02-0:01 No.", r"Line 1 of 'text' ends at 1 s, not after its start at 2 s"),
        ("0:00-0:03 A.\n0:02-0:04 B.", r"Line 2 of 'text' starts at 2 s, before line 1 ends at 3"),
        ("0:05-0:06 A.\n0:02-0:04 B.", r"Line 2 .* Put the lines in order"),
        ("0:11-0:12 A.", r"Line 1 of 'text' starts at 11 s, but 'audio' is 10.00 s"),
        ("0:00-0:75 A.", r"Line 1 of 'text' has the time '0:75'"),
        ("0:00-0:02 A.\n0:02 B.", r"Line 2 of 'text' has a time that cannot be read: '0:02 B.'"),
        ("Hello.\n0:00-0:02 A.", r"Line 1 of 'text' comes before the first time: 'Hello.'"),
        ("1\n00:00:00,000 --> soon\nA", r"Line 2 of 'text' has a time that cannot be read|Line 1"),
    ],
)
def test_times_that_cannot_be_used_are_answered(text, message):
    with pytest.raises(ValueError, match=message):
        times(text)


def test_sentences():
    assert split_sentences("Mr. Smith came. Did he?  Yes…\nhe did! ok") == [
        "Mr. Smith came.",
        "Did he?",
        "Yes…",
        "he did!",
        "ok",
    ]
    assert split_sentences('"Stop!" she said.\n\nA title\n\nMore') == [
        '"Stop!"',
        "she said.",
        "A title",
        "More",
    ]
    assert split_sentences("今日は。元気？") == ["今日は。", "元気？"]
    assert split_sentences(" \n ") == []
    assert split_sentences("It costs 3.50 in the U.S. now.") == ["It costs 3.50 in the U.S. now."]


def test_text_without_full_stops_is_cut():
    parts = split_sentences("word " * 100)
    assert len(parts) == math.ceil(100 / MOST_WORDS)
    parts = split_sentences("one two three, " * 30)
    assert all(len(part.split()) <= MOST_WORDS for part in parts)
    assert all(part.endswith("three,") for part in parts)


def test_numbers_in_plain_text_are_no_times():
    assert len(times("3 - 4 people came. It was 5 to 10.")) == 2
    assert times("") == []
