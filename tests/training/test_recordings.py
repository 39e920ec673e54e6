from __future__ import annotations

import numpy as np
import pytest
from synchrorama.training.recordings import placed_in
from synchrorama.training.transcribe import Heard, said_once


class Placed:
    """Stands for the aligner: phones of the same length from 0.1 s on."""

    def __init__(self, each: float) -> None:
        self.each = each

    def align_words(
        self, samples: np.ndarray, words: list[str]
    ) -> list[tuple[str, float, float]] | None:
        if words != ["my", "boy"]:
            return None
        ends = [0.1 + self.each * i for i in range(5)]
        said = zip(("M", "AY", "B", "OY"), ends, ends[1:], strict=False)
        return [("SIL", 0.0, 0.1), *((n, start, end) for n, start, end in said)]


def test_phones_are_placed_where_the_aligner_is_sure() -> None:
    sound = np.zeros(16000, np.float32)
    said = placed_in(sound, "My boy!", Placed(0.1))  # type: ignore[arg-type]
    assert said is not None
    assert [p.name for p in said.phones if p.name != "sil"] == [
        "m", "a", "I", "b", "rel", "O", "I"
    ]  # fmt: skip
    for text, each in (("My boy!", 0.03), ("My boy!", 0.3), ("My toy", 0.1), ("My boy 2", 0.1)):
        assert placed_in(sound, text, Placed(each)) is None  # type: ignore[arg-type]


def test_a_transcript_is_trusted_when_it_is_probable_and_no_loop() -> None:
    assert Heard("It is so.", -0.3, 0.1).sure
    assert not Heard("It is so.", -0.9, 0.1).sure
    assert not Heard("It is so.", -0.3, 0.7).sure
    assert not Heard("Certainly... " * 20, -0.1, 0.1).sure
    assert not Heard("", 0.0, 0.0).sure


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("Poor devil. Poor devil!", "Poor devil."),
        ("We are. We are. We are. We", "We are."),
        ("No, no, he said.", "No, no, he said."),
        ("", ""),
    ],
)
def test_a_text_that_is_written_again_and_again_is_said_once(text: str, once: str) -> None:
    assert said_once(text) == once
