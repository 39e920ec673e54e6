"""Weight files: what is written comes back, and every broken one is named."""

import pytest
import torch
from safetensors.torch import save_file
from synchrorama.models.checkpoint import (
    CheckpointError,
    fill_module,
    load_checkpoint,
    save_checkpoint,
)
from synchrorama.models.head import FORMAT, HeadModel
from torch import nn

TENSORS = {"weight": torch.arange(6.0).view(2, 3).half(), "index": torch.tensor([3, 1])}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "small.safetensors"
    save_checkpoint(
        path, TENSORS, format="test.small", config={"width": 3}, source="here", licence="CC0-1.0"
    )
    return path


def test_comes_back(path):
    tensors, config = load_checkpoint(path, "test.small")
    assert config == {"width": 3}
    assert tensors["weight"].dtype == torch.float32
    assert torch.equal(tensors["weight"], TENSORS["weight"].float())
    assert tensors["index"].dtype == torch.int64
    assert torch.equal(tensors["index"], TENSORS["index"])


def test_views_and_parameters_can_be_saved(tmp_path):
    layer = nn.Linear(2, 3)
    path = tmp_path / "views.safetensors"
    save_checkpoint(
        path,
        {"turned": layer.weight.T, "part": layer.weight[:, :1]},
        format="test.views",
        config={},
        source="here",
        licence="CC0-1.0",
    )
    tensors, _ = load_checkpoint(path, "test.views")
    assert torch.equal(tensors["turned"], layer.weight.detach().T)


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"'none\.safetensors' is not in .* Install the pack"):
        load_checkpoint(tmp_path / "none.safetensors", "test.small")
    with pytest.raises(CheckpointError, match="is not in"):
        load_checkpoint(tmp_path, "test.small")


@pytest.mark.parametrize("length", [0, 5, 60, -1])
def test_truncated_file(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"'small\.safetensors' cannot be read .* get it"):
        load_checkpoint(path, "test.small")


def test_something_else_under_that_name(path):
    path.write_bytes(b"<html>Not found</html>" * 50)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path, "test.small")


def test_other_format(path):
    with pytest.raises(CheckpointError, match=r"holds 'test\.small', needed is 'test\.large'"):
        load_checkpoint(path, "test.large")


def test_file_without_header(tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(
        CheckpointError, match=r"holds 'an unknown format', needed is 'test\.small'"
    ):
        load_checkpoint(path, "test.small")


def test_module_is_filled_and_frozen():
    source, module = nn.Linear(2, 3), nn.Linear(2, 3)
    fill_module(module, source.state_dict(), "file")
    assert torch.equal(module.weight, source.weight)
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize(
    ("tensors", "key"),
    [
        ({"weight": torch.zeros(3, 2)}, "bias"),
        ({"weight": torch.zeros(3, 2), "bias": torch.zeros(3), "extra": torch.zeros(1)}, "extra"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(3)}, "weight"),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_module_of_another_kind(tensors, key):
    module = nn.Linear(2, 3)
    before = module.weight.clone()
    with pytest.raises(
        CheckpointError, match=f"^Weight file 'a' does not fit Linear: 1 keys differ, first {key}.$"
    ):
        fill_module(module, tensors, "a")
    assert torch.equal(module.weight, before)


def test_five_wrong_keys_are_shown():
    tensors = {f"key{number}": torch.zeros(1) for number in range(8)}
    with pytest.raises(
        CheckpointError, match="10 keys differ, first bias, key0, key1, key2, key3.$"
    ):
        fill_module(nn.Linear(2, 3), tensors, "a")


def test_head_without_a_tensor(tmp_path):
    path = tmp_path / "head.safetensors"
    save_checkpoint(
        path,
        {"vertices": torch.zeros(1, 3)},
        format=FORMAT,
        config={"parts": ["skin"]},
        source="here",
        licence="CC0-1.0",
    )
    with pytest.raises(CheckpointError, match=r"'head\.safetensors' lacks eyes, faces, .* Install"):
        HeadModel.from_checkpoint(path)
