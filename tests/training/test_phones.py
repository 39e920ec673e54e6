from __future__ import annotations

import pytest
from synchrorama.training.phones import ALPHABET, Phone, from_arpabet, from_ipa, read_emodb

LABELS = """signal example
comment # is not the start
nfields 1
#
    0.080000   -1 _t
    0.120000   -1 !t\t+asp
    0.150000   -1 aI\t+lar\t3
    0.200000   -1 \t-lar
    0.250000  125 b
    0.300000   -1 !b
    0.310000   -1 (gef
    0.330000   -1 E6
    0.400000   -1 qq
    0.450000   -1 .
    0.900000   -1 m
"""


def test_emodb_labels_become_phones() -> None:
    phones, skipped = read_emodb(LABELS, 0.8)
    assert [p.name for p in phones] == [
        "sil", "t", "rel", "a", "I", "b", "rel", "h", "E", "V", "sil"
    ]  # fmt: skip
    assert phones[5] == Phone("b", 0.25, 0.3)
    assert phones[9] == Phone("V", 0.39, 0.45)  # an unknown label goes to the phone before it
    assert phones[-1] == Phone("sil", 0.45, 0.8)  # what begins after the sound ends is dropped
    assert all(a.end == b.start for a, b in zip(phones, phones[1:], strict=False))
    assert skipped == {"qq": 1}


def test_a_file_without_labels_gives_nothing() -> None:
    assert read_emodb("signal x\nnfields 1\n#\n", 2.0) == ([], {})


def test_arpabet_splits_diphthongs_and_stops() -> None:
    assert [p.name for p in from_arpabet("AY", 0.0, 1.0)] == ["a", "I"]
    assert from_arpabet("P", 0.0, 1.0) == [Phone("p", 0.0, 0.7), Phone("rel", 0.7, 1.0)]
    assert from_arpabet("unknown", 0.0, 1.0) == []


@pytest.mark.parametrize(
    ("label", "names"),
    [("eɪ", ["e", "I"]), ("tʃ", ["t", "S"]), ("iː", ["i"]), ("m̩", ["m"]), ("", ["sil"])],
)
def test_ipa_is_read(label: str, names: list[str]) -> None:
    phones = from_ipa(label, 0.0, 1.0)
    assert phones is not None
    assert [p.name for p in phones] == names
    assert {p.name for p in phones} <= ALPHABET


def test_an_unknown_ipa_sign_is_refused() -> None:
    assert from_ipa("ʘ", 0.0, 1.0) is None
