import numpy as np
import pytest
from synchrorama.training.phones import Phone
from synchrorama.training.splice import FADE, spliced
from synchrorama.training.voices import Utterance

HERTZ = {"a": 200, "t": 600, "rel": 1000, "i": 1400, "m": 1800, "s": 2200}


def speak(names, seconds=0.1):
    """Each sound as a tone of its own pitch."""
    phones = [Phone(n, i * seconds, (i + 1) * seconds) for i, n in enumerate(names)]
    times = np.arange(round(len(names) * seconds * 16000)) / 16000
    hertz = np.repeat([HERTZ[n] for n in names], round(seconds * 16000))
    return Utterance(np.sin(2 * np.pi * hertz * times).astype(np.float32), 16000, phones)


@pytest.fixture
def voice():
    return [speak("a t rel i m a s i t rel a".split()), speak("m i s a m t rel i".split())]


def heard(samples, phone):
    """Pitch of the middle of a phone."""
    first, last = round(phone.start * 16000) + FADE, round(phone.end * 16000) - FADE
    spectrum = np.abs(np.fft.rfft(samples[first:last] * np.hanning(last - first), 16000))
    return int(spectrum.argmax())


def test_each_sound_is_heard_where_its_phone_says(voice):
    samples, phones = spliced(voice, 64000, np.random.default_rng(0))
    assert 64000 <= len(samples) < 90000
    assert len(phones) > 30
    for phone in phones:
        assert abs(heard(samples, phone) - HERTZ[phone.name]) < 40


def test_phones_follow_each_other_without_gaps(voice):
    samples, phones = spliced(voice, 64000, np.random.default_rng(1))
    for one, other in zip(phones, phones[1:], strict=False):
        assert abs(one.end - other.start) < 0.005
    assert phones[-1].end == pytest.approx(len(samples) / 16000, abs=1e-3)


def test_a_stop_keeps_its_release(voice):
    for seed in range(5):
        _, phones = spliced(voice, 32000, np.random.default_rng(seed))
        for one, other in zip(phones, phones[1:], strict=False):
            assert (one.name == "t") == (other.name == "rel")


def test_the_order_is_new_and_the_same_for_the_same_seed(voice):
    one, other, again = (
        [p.name for p in spliced(voice, 64000, np.random.default_rng(seed))[1]]
        for seed in (2, 3, 2)
    )
    assert one == again
    assert one != other


def test_long_pauses_are_not_taken():
    pause = Utterance(np.zeros(32000, dtype=np.float32), 16000, [Phone("a", 0.9, 2.0)])
    samples, phones = spliced([pause], 16000, np.random.default_rng(0))
    assert len(samples) >= 16000
    assert {p.name for p in phones} == {"a"}
