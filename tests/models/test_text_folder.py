"""Text classification folders as the hub gives them, tiny and random."""

import builtins
import json

import pytest
import torch
from synchrorama.models.checkpoint import CheckpointError
from synchrorama.models.emotion.text import FolderJudge
from synchrorama.models.types import EMOTIONS

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "i", "am", "so", "happy", "sad", "."]
NAMES = ("anger", "joy", "sadness", "frog")


def save_tokenizer(folder):
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    plain = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>")
    )
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)


def classifier(folder, family="Roberta", names=NAMES, **more):
    transformers = pytest.importorskip("transformers")
    sizes = {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8} if "Distil" in family else {
        "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
    }  # fmt: skip
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(WORDS), max_position_embeddings=40, pad_token_id=1, **sizes,
        id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)}, **more,
    )  # fmt: skip
    torch.random.default_generator.manual_seed(0)
    model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return model.train(False)


@pytest.mark.parametrize("family", ["Roberta", "DistilBert", "Bert"])
def test_folders_say_what_transformers_says(tmp_path, family):
    theirs = classifier(tmp_path, family)
    judge = FolderJudge(tmp_path)
    judged = judge(["i am so happy .", "so sad", "...", "so " * 500])
    with torch.no_grad():
        want = theirs(torch.tensor([[4, 5, 6, 7, 9]])).logits.softmax(1)[0]
    columns = [EMOTIONS.index(name) for name in ("angry", "happy", "sad")]
    assert torch.allclose(judged.scores[0, columns], want[:3] / want[:3].sum(), atol=1e-4)
    assert float(judged.confidence[0]) == pytest.approx(float(want[:3].max()), abs=1e-4)
    assert torch.allclose(judged.scores.sum(1), torch.ones(4))
    assert float(judged.confidence[2]) == 0.0
    assert judged.note == (f"Model: {tmp_path.name}. Labels that are no emotion known here: frog.")


def test_labels_that_stand_side_by_side(tmp_path):
    classifier(tmp_path, problem_type="multi_label_classification")
    judged = FolderJudge(tmp_path)(["i am so happy ."])
    assert torch.allclose(judged.scores.sum(1), torch.ones(1))
    assert 0.0 <= float(judged.confidence[0]) <= 1.0


def test_another_kind_of_folder_is_refused(tmp_path):
    classifier(tmp_path)
    config = tmp_path / "config.json"
    text = config.read_text()
    config.write_text(text.replace("RobertaForSequenceClassification", "RobertaForMaskedLM"))
    with pytest.raises(CheckpointError, match="RobertaForMaskedLM, needed is a classifier of text"):
        FolderJudge(tmp_path)
    config.write_text(json.dumps({**json.loads(text), "conv_kernel": [10, 3]}))
    with pytest.raises(CheckpointError, match="needed is a classifier of text"):
        FolderJudge(tmp_path)
    written = json.loads(text)
    written["id2label"] = {"0": "spam", "1": "ham", "2": "eggs", "3": "frog"}
    config.write_text(json.dumps(written))
    with pytest.raises(CheckpointError, match="spam, ham, eggs, frog, which are not emotions"):
        FolderJudge(tmp_path)


def test_pickled_weights_are_refused(tmp_path):
    classifier(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickled weights"):
        FolderJudge(tmp_path)


def test_a_folder_without_tokenizer_is_refused(tmp_path):
    classifier(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    with pytest.raises(CheckpointError, match="no tokenizer that can be read"):
        FolderJudge(tmp_path)


def test_transformers_missing_is_answered(tmp_path, monkeypatch):
    classifier(tmp_path)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "transformers":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CheckpointError, match="pip install transformers"):
        FolderJudge(tmp_path)
