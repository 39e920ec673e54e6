"""The renderer's data and training: shards, ten steps, going on after an interruption."""

import json
from dataclasses import replace

import pytest
import torch
from synchrorama.models.checkpoint import load_checkpoint
from synchrorama.models.head import HeadModel
from synchrorama.models.media import read_image
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.render import keys
from synchrorama.models.render.codec import PixelUnshuffle
from synchrorama.models.render.config import TINY, RendererConfig
from synchrorama.models.render.unet import UNet
from synchrorama.training.render import (
    FORMAT,
    TrainingConfig,
    clip_loss,
    picture_loss,
    shuffled,
    train,
)
from synchrorama.training.render_data import (
    Example,
    ShardWriter,
    examples_of_clip,
    read_shard,
)

SIZE, FRAMES = 32, 4
SHORT = TrainingConfig(steps=10, rate=3e-3, warm_up=1, every=10, drop=0.0)


def example(seed=0):
    """A smooth picture whose middle is darker than the motion frames say."""
    draw = torch.Generator().manual_seed(seed)
    blobs = torch.rand(FRAMES, 3, 4, 4, generator=draw)
    picture = torch.nn.functional.interpolate(blobs, (SIZE, SIZE), mode="bilinear")
    motion = (picture.permute(0, 2, 3, 1) * 255).to(torch.uint8)
    target, weight = motion.clone(), torch.zeros_like(motion)
    target[:, 12:20, 12:20] //= 2
    weight[:, 12:20, 12:20] = 255
    return Example(
        clip=f"clip{seed}", reference=motion[:1], motion=motion, target=target, weight=weight
    )


@pytest.fixture
def shards(tmp_path):
    writer = ShardWriter(tmp_path / "data", limit=20_000)
    for seed in range(6):
        writer.add(example(seed))
    writer.close()
    return sorted((tmp_path / "data").glob("*.safetensors"))


def test_shards_hold_what_was_added(shards):
    assert len(shards) > 1
    assert all(path.stat().st_size < 40_000 for path in shards)
    read = [one for path in shards for one in read_shard(path)]
    assert [one.clip for one in read] == [f"clip{i}" for i in range(6)]
    for i, one in enumerate(read):
        for field in ("reference", "motion", "target", "weight"):
            assert torch.equal(getattr(one, field), getattr(example(i), field))


def test_another_file_is_no_shard(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"'other.safetensors' is no shard"):
        next(read_shard(tmp_path / "other.safetensors"))


def test_held_out_clips_are_never_seen(shards):
    seen = shuffled(shards, {"clip1", "clip4"}, 0, 0)
    names = [next(seen).clip for _ in range(8)]
    assert set(names) == {"clip0", "clip2", "clip3", "clip5"}
    again = shuffled(shards, {"clip1", "clip4"}, 0, 3)
    assert [next(again).clip for _ in range(5)] == names[3:]
    with pytest.raises(ValueError, match="Hold out fewer"):
        next(shuffled(shards, {f"clip{i}" for i in range(6)}, 0, 0))


def loss_of(network):
    with torch.no_grad():
        return sum(
            float(
                clip_loss(
                    network,
                    PixelUnshuffle(TINY.downscale),
                    example(seed),
                    SHORT,
                    torch.Generator().manual_seed(seed),
                )
            )
            for seed in range(3)
        )


def test_ten_steps_lower_the_loss(shards, tmp_path):
    before = loss_of(UNet(TINY.denoiser))
    trained = train(TINY, SHORT, shards, tmp_path / "run", device=torch.device("cpu"))
    assert loss_of(trained) < 0.9 * before
    log = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in log] == [10]


def test_going_on_is_as_if_never_interrupted(shards, tmp_path):
    device = torch.device("cpu")
    config = replace(SHORT, steps=4, every=2)
    whole = train(TINY, config, shards, tmp_path / "whole", device=device)
    train(TINY, replace(config, steps=2), shards, tmp_path / "parts", device=device)
    parts = train(TINY, config, shards, tmp_path / "parts", device=device)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[key]), key


def test_weights_load_into_the_renderer(shards, tmp_path):
    config = replace(SHORT, steps=1, every=1)
    train(TINY, config, shards, tmp_path, device=torch.device("cpu"))
    tensors, header = load_checkpoint(tmp_path / "weights.safetensors", FORMAT)
    renderer = RendererConfig.from_json(header)
    assert renderer == TINY
    keys.fill(UNet(renderer.denoiser), keys.part(tensors, "denoiser."), "weights.safetensors")


def test_blur_costs_more_than_its_difference():
    """The gradients tell a blurred picture from a sharp one that is as far off."""
    sharp = torch.zeros(1, 3, 8, 8)
    sharp[..., ::2] = 1
    weight = torch.ones_like(sharp)
    blurred = torch.full_like(sharp, 0.5)
    shifted = sharp + 0.5
    assert picture_loss(blurred, sharp, weight, 0.0) == picture_loss(shifted, sharp, weight, 0.0)
    assert picture_loss(blurred, sharp, weight, 1.0) > 2 * picture_loss(shifted, sharp, weight, 1.0)


@pytest.fixture(scope="module")
def still(request):
    from pathlib import Path

    sample = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"
    return (read_image(sample) * 255).round().to(torch.uint8)


def test_a_clip_that_stands_still_is_its_own_motion(still):
    """Tracked and drawn again, a still picture is itself: nothing is left to learn."""
    found = list(
        examples_of_clip(
            still[None].expand(3, -1, -1, -1),
            "still",
            landmarker=FaceLandmarker.from_checkpoint(),
            head=HeadModel.from_checkpoint(),
            size=128,
            length=2,
            min_face=60,
        )
    )
    assert len(found) == 1
    one = found[0]
    assert one.target.shape == one.motion.shape == (2, 128, 128, 3)
    assert torch.equal(one.target[0], one.reference[0])
    off = (one.motion.float() - one.target.float()).abs()
    assert off.mean() < 1.0
    assert 0.01 < (one.weight > 0).float().mean() < 0.3


def test_a_clip_without_a_face_gives_nothing(still):
    blank = torch.full((3, 96, 96, 3), 128, dtype=torch.uint8)
    found = examples_of_clip(
        blank,
        "blank",
        landmarker=FaceLandmarker.from_checkpoint(),
        head=HeadModel.from_checkpoint(),
        size=128,
        length=2,
        min_face=60,
    )
    assert list(found) == []
