from __future__ import annotations

import numpy as np
import pytest
import torch
from synchrorama.models.motion.lips import SHAPES, compose, drawn_gap
from synchrorama.training.phones import ALPHABET, OPEN_VOWELS, Phone
from synchrorama.training.visemes import MouthTrack, fill_gaps, mouth_track, viseme_table


def said(names: str, each: float = 0.1) -> tuple[MouthTrack, np.ndarray]:
    phones = [Phone(n, i * each, (i + 1) * each) for i, n in enumerate(names.split())]
    track = mouth_track(phones, round(len(phones) * each * 100))
    parts = (torch.from_numpy(x) for x in (track.shapes, track.closure, track.activity))
    return track, drawn_gap(compose(torch.zeros(52), *parts)).clamp_min(0.0).numpy()


def test_every_phone_has_a_target() -> None:
    table = viseme_table()
    assert set(table) == ALPHABET
    for target, pull in table.values():
        assert target.shape == (len(SHAPES),)
        assert pull.shape == (3,)
        assert 0.0 <= target.min() <= target.max() <= 0.7


@pytest.mark.parametrize("each", [0.03, 0.06, 0.12])
@pytest.mark.parametrize("stop", ["p", "b", "m"])
@pytest.mark.parametrize("vowel", ["a", "u", "i", "O"])
def test_lips_are_closed_in_the_middle_of_p_b_m(stop: str, vowel: str, each: float) -> None:
    _, gap = said(f"sil sil sil {vowel} {vowel} {stop} {vowel} {vowel} sil sil sil", each)
    middle = 5.5 * each * 100
    assert gap[int(middle)] < 1e-6
    assert gap[int(middle) - int(200 * each)] > 0.02 or each < 0.05


def test_closing_begins_before_the_closure() -> None:
    _, gap = said("a a a p a a a")
    assert gap[28] < 0.7 * gap[18]
    assert gap[31] == 0.0


def test_pauses_are_closed_and_still() -> None:
    track, gap = said("a t a sil sil sil sil a t a")
    assert gap[42:58].max() < 0.01
    assert track.activity[42:58].max() == 0.0
    assert track.shapes[42:58].max() == 0.0


def test_a_short_gap_is_no_pause() -> None:
    track, gap = said("a t a sil a t a")
    assert track.activity[25:45].min() == 1.0
    assert gap[35] > 0.0


def test_a_closure_before_a_pause_stays_closed() -> None:
    _, gap = said("a a m sil sil sil sil m a a")
    assert gap[22:78].max() < 0.01


def test_f_holds_the_lower_lip_up() -> None:
    track, gap = said("a a f a a")
    assert track.shapes[25, SHAPES.index("mouthRollLower")] > 0.35
    assert gap[25] < 0.4 * gap[15]


def test_rounding_starts_early_and_spreads() -> None:
    track, _ = said("t t s t u t t")
    pucker = track.shapes[:, SHAPES.index("mouthPucker")]
    assert pucker[45] > 0.4
    assert pucker[36] > 0.1
    spread = said("s i s")[0].shapes[:, SHAPES.index("mouthStretch")]
    assert spread[15] > 0.15


def test_open_vowels_open_most() -> None:
    peaks = {v: said(f"t {v} t", 0.15)[1][22] for v in OPEN_VOWELS | {"i", "u", "s"}}
    assert min(peaks[v] for v in "aA{") > 0.35
    assert max(peaks["i"], peaks["u"], peaks["s"]) < 0.3


def test_a_loud_vowel_opens_more() -> None:
    phones = [Phone("a", 0.0, 0.2), Phone("t", 0.2, 0.3), Phone("a", 0.3, 0.5)]
    level = np.concatenate([np.full(25, 0.05), np.full(25, 0.2)]).astype(np.float32)
    jaw = mouth_track(phones, 50, level).shapes[:, 0]
    assert jaw[40] > 1.2 * jaw[10]


def test_gaps_between_phones_become_silence() -> None:
    phones = fill_gaps([Phone("a", 0.5, 0.6), Phone("sil", 0.6, 0.7)], 1.0)
    assert [(p.name, p.start, p.end) for p in phones] == [
        ("sil", 0.0, 0.5),
        ("a", 0.5, 0.6),
        ("sil", 0.6, 1.0),
    ]


def open_middle(phone: str) -> float:
    """How open the mouth is in the middle of a phone of 80 ms between two schwas."""
    _, gap = said(f"@ @ {phone} @ @", 0.08)
    return float(gap[20])


def test_the_mouth_opens_as_phonetics_orders_the_sounds() -> None:
    order = ["m", "f", "s", "t", "k", "e", "E", "a"]
    gaps = [open_middle(phone) for phone in order]
    assert gaps == sorted(gaps)
    assert min(open_middle(phone) for phone in "tdnkg") > 0.1
    assert open_middle("u") < open_middle("o") < open_middle("O") < open_middle("A")


def test_a_short_vowel_between_closures_still_opens_the_mouth() -> None:
    _, gap = said("m m a m m", 0.06)
    assert gap[13:17].max() > 0.25


def test_teeth_are_on_the_lip_in_a_short_f() -> None:
    track, gap = said("a a f a a", 0.06)
    roll = track.shapes[:, SHAPES.index("mouthRollLower")]
    assert roll[14:16].min() > 0.45
    assert gap[14:16].max() < 0.1


def test_the_jaw_never_moves_faster_than_jaws_do() -> None:
    chance = np.random.default_rng(0)
    names = sorted(ALPHABET - {"sil"})
    text = " ".join(names[i] for i in chance.integers(0, len(names), 300))
    for each in (0.04, 0.07, 0.1):
        track, _ = said(text, each)
        jaw = track.shapes[:, SHAPES.index("jawOpen")]
        assert np.abs(np.diff(jaw)).max() * 100 < 10.0  # 0.5 in 50 ms
