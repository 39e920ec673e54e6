from dataclasses import replace

import pytest
import torch
from synchrorama.models.emotion.text import BuiltinJudge
from synchrorama.models.emotion.text_model import GROUPS, LABELS, TINY, TextEmotion, code
from synchrorama.training.text_emotion import (
    Corpus,
    calibrate,
    fit,
    group_f1,
    read_corpus,
    split,
    vocabulary,
)

JOY, FEAR = (
    [name for name, _ in LABELS].index("joy"),
    [name for name, _ in LABELS].index("fear"),
)


def corpus(count=200):
    texts = [f"this is {'good' if i % 2 else 'dark'} {i}" for i in range(count)]
    labels = torch.zeros(count, len(LABELS))
    labels[0::2, FEAR] = 1.0
    labels[1::2, JOY] = 1.0
    return Corpus(texts, labels)


def test_a_published_file_is_read(tmp_path):
    path = tmp_path / "part.tsv"
    path.write_text("I'm glad.\t17\tid1\nOh no, why?\t14,7\tid2\n", encoding="utf-8")
    one = read_corpus(path)
    assert one.texts == ["I'm glad.", "Oh no, why?"]
    assert one.labels.sum(1).tolist() == [1.0, 2.0]
    assert one.targets[1, FEAR] == 0.5
    assert one.groups[1].nonzero()[:, 0].tolist() == [
        GROUPS.index("fearful"),
        GROUPS.index("surprised"),
    ]


def test_the_held_out_part_is_apart_and_fixed():
    train, held = split(1000)
    assert len(held) == 100
    assert sorted(train + held) == list(range(1000))
    assert split(1000) == (train, held)


def test_the_commonest_words_are_known():
    words, runs = vocabulary(["a b", "a b c", "a d e f"], replace(TINY, words=2, phrases=2))
    assert words.tolist() == [code("a"), code("b")]
    assert int(runs[0]) == code("a b")
    words, _ = vocabulary(["a"], replace(TINY, words=3))
    assert words.tolist() == [code("a"), -1, -1]


def test_training_learns_and_calibrates():
    torch.random.default_generator.manual_seed(0)
    data = corpus()
    model = TextEmotion(TINY)
    words, runs = vocabulary(data.texts, TINY)
    model.vocabulary.copy_(words)
    model.known_phrases.copy_(runs)
    losses = fit(model, data, epochs=30, seed=0, rate=3e-2)
    assert losses[-1] < 0.5 * losses[0]
    assert not model.training
    prior = torch.full((len(GROUPS),), 1e-3)
    prior[[GROUPS.index("happy"), GROUPS.index("fearful")]] = 0.5
    model.config = calibrate(model, data, prior)
    assert 0.5 <= model.config.temperature <= 1.7
    judged = BuiltinJudge(model)(["this is good", "this is dark"])
    assert judged.scores[0, 3] > 0.6  # happy
    assert judged.scores[1, 2] > 0.6  # fearful


def test_f1():
    said = torch.tensor([[0.9, 0.1], [0.9, 0.9], [0.1, 0.9]])
    true = torch.tensor([[True, False], [False, True], [True, True]])
    assert group_f1(said, true, torch.tensor([0.5, 0.5])).tolist() == pytest.approx([0.5, 1.0])
