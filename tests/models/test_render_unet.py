"""The renderer's U-Net: shapes, paths that start at zero, reference, time, the host's layers."""

from dataclasses import replace

import pytest
import torch
from synchrorama.models.render.config import (
    ANIPORTRAIT,
    BUILTIN,
    ECHOMIMIC,
    HALLO,
    MEMO,
    PRESETS,
    TINY,
    AdapterConfig,
    RendererConfig,
    UNetConfig,
)
from synchrorama.models.render.keys import own_start
from synchrorama.models.render.layers import Torch
from synchrorama.models.render.spatial import Box
from synchrorama.models.render.unet import Conditions, UNet
from torch import nn

FRAMES, SIZE = 3, 8
SMALL = {"widths": (16, 32), "attention": (True, False), "layers": 1, "heads": 2, "groups": 8}
ADAPTERS = AdapterConfig(
    guider_widths=(16,), speech_width=8, scene_width=12, token_width=16, emotion_tokens=2
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small(config, **changes):
    """A family's network at a size for tests, with random base weights and our paths' start."""
    changes = {"adapters": ADAPTERS, **SMALL, "audio_width": 16, **changes}
    changes["context_width"] = 24 if config.context_width else 0
    return randomised(UNet(replace(config, **changes)))


def randomised(network):
    weights = {}
    for i, (key, like) in enumerate(network.state_dict().items()):
        if key.endswith(".pe"):
            weights[key] = like
            continue
        scale = 0.8 / like[0].numel() ** 0.5 if like.ndim > 1 else 0.1
        weights[key] = draw(*like.shape, seed=i) * scale + ("norm" in key and "weight" in key)
    own = {k: v for k, v in network.state_dict().items() if k.startswith("synchrorama.")}
    network.load_state_dict({**weights, **own_start(own)})
    return network.requires_grad_(False)


def everything(network, frames=FRAMES, seed=10):
    """All of our own conditions."""
    return Conditions(
        motion=draw(frames, network.config.in_channels, SIZE, SIZE, seed=seed),
        emotion=draw(frames, 256, seed=seed + 1),
        speech=draw(frames, 5, 8, seed=seed + 2),
    )


def of_family(network, frames=FRAMES):
    """What the published families have beside that."""
    return Conditions(
        context=draw(frames, 4, 24, seed=1) if network.config.context_width else None,
        audio=draw(frames, 6, 16, seed=2) if network.config.audio != "none" else None,
    )


def noisy(network, frames=FRAMES):
    times = torch.linspace(100, 900, frames)
    return draw(frames, network.config.in_channels, SIZE, SIZE, seed=20), times


FAMILIES = {one.name: one for one in (ECHOMIMIC, ANIPORTRAIT, HALLO, MEMO)}


@pytest.mark.parametrize("name", FAMILIES)
def test_own_paths_start_at_zero(name):
    """With random base weights the result is bit for bit the same with and without them."""
    network = small(FAMILIES[name].denoiser)
    x, times = noisy(network)
    base = of_family(network)
    own = everything(network)
    without = network(x, times, base)
    assert without.std() > 0.05
    all_paths = replace(base, motion=own.motion, emotion=own.emotion, speech=own.speech)
    assert torch.equal(network(x, times, all_paths), without)
    for path in ("motion", "emotion", "speech"):
        one = replace(base, **{path: getattr(own, path)})
        assert torch.equal(network(x, times, one), without)
    for key, value in network.named_parameters():  # and once they are trained, they act
        if key.startswith("synchrorama.") and (".to_out" in key or "conv_out" in key):
            value += draw(*value.shape, seed=len(key)) * 0.3
    assert (network(x, times, all_paths) - without).abs().max() > 1e-3


def test_scene_text_starts_at_zero():
    network = small(ANIPORTRAIT.reference)
    picture = draw(1, 4, SIZE, SIZE)
    plain, told = network.read(picture), network.read(picture, draw(1, 7, 12, seed=1))
    for a, b in zip(plain.attention, told.attention, strict=True):
        assert torch.equal(a, b)
    for key, value in network.named_parameters():
        if "scene" in key and ".to_out" in key:
            value += 0.1 * draw(*value.shape)
    acts = network.read(picture, draw(1, 7, 12, seed=1))
    assert (acts.attention[-1] - plain.attention[-1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_the_familys_own_conditions_act(name):
    network = small(FAMILIES[name].denoiser)
    x, times = noisy(network)
    base = of_family(network)
    full = network(x, times, base)
    for path in ("context", "audio"):
        if getattr(base, path) is not None:
            changed = network(x, times, replace(base, **{path: None}))
            assert (changed - full).abs().max() > 1e-3, path
    if network.config.audio == "joint":
        happy = torch.zeros(FRAMES, 10)
        happy[:, 3] = 1
        assert (network(x, times, replace(base, emotion_classes=happy)) - full).abs().max() > 1e-4
    if network.config.audio == "masked":
        masks = torch.zeros(FRAMES, 3, SIZE, SIZE)
        assert (network(x, times, replace(base, masks=masks)) - full).abs().max() > 1e-4


def test_emotion_classes_mix():
    """One-hot is the class; none given is the last row."""
    network = small(MEMO.denoiser)
    x, times = noisy(network)
    base = of_family(network)
    nothing = torch.zeros(FRAMES, 10)
    nothing[:, 9] = 1
    assert torch.equal(
        network(x, times, replace(base, emotion_classes=nothing)), network(x, times, base)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_reference_cache_equals_recomputing(name):
    preset = FAMILIES[name]
    network = small(preset.denoiser)
    net = small(preset.reference, context_width=0)
    banks = net.read(draw(1, 4, SIZE, SIZE, seed=7))
    x, times = noisy(network)
    base = of_family(network)
    again = network(x, times, replace(base, reference=banks))
    cached = network(x, times, replace(base, reference=network.cache(banks)))
    assert torch.equal(again, cached)
    assert (again - network(x, times, base)).abs().max() > 1e-3


def test_the_reference_is_read_once_and_whole():
    """Banks of a picture do not depend on the past frames beside it."""
    net = small(MEMO.reference)
    pictures = draw(4, 4, SIZE, SIZE)
    both, alone = net.read(pictures), net.read(pictures[:1])
    for a, b in zip(both.attention, alone.attention, strict=True):
        assert (a[:1] - b).abs().max() < 1e-5
    levels = [*net.down_blocks, *net.up_blocks]
    assert len(both.plain) == sum(len(level.plain) for level in levels) > 0


@pytest.mark.parametrize("name", ("hallo", "memo"))
def test_past_frames_act(name):
    preset = FAMILIES[name]
    network, net = small(preset.denoiser), small(preset.reference)
    for key, value in network.named_parameters():
        if "temporal_transformer.proj_out" in key:
            value += 0.1 * draw(*value.shape)
    x, times = noisy(network)
    base = of_family(network)
    pictures = draw(3, 4, SIZE, SIZE, seed=7)
    with_past = network(x, times, replace(base, reference=net.read(pictures)))
    without = network(x, times, replace(base, reference=net.read(pictures[:1])))
    assert (with_past - without).abs().max() > 1e-4


def test_two_clips_in_one_batch_are_apart():
    network = small(ANIPORTRAIT.denoiser)
    for key, value in network.named_parameters():
        if "temporal_transformer.proj_out" in key:
            value += 0.1 * draw(*value.shape)
    x, times = noisy(network, 2 * FRAMES)
    both = network(x, times, frames=FRAMES)
    alone = network(x[:FRAMES], times[:FRAMES])
    assert (both[:FRAMES] - alone).abs().max() < 1e-5
    joined = network(x, times)
    assert (both - joined).abs().max() > 1e-4  # time is seen


def test_an_untrained_renderer_gives_the_motion_frames():
    network = UNet(TINY.denoiser).requires_grad_(False)
    given = replace(everything(network), reference=network.read(draw(1, 12, SIZE, SIZE)))
    x, times = noisy(network)
    assert torch.equal(network(x, times, given), given.motion)


def test_parts_are_drawn_alone_and_the_rest_is_the_motion_frames():
    network = randomised(UNet(TINY.denoiser))
    for key, value in network.named_parameters():
        if key.startswith("conv_out"):
            value += 0.1 * draw(*value.shape)
    x, times = noisy(network)
    given, picture = everything(network), draw(1, 12, SIZE, SIZE)
    boxes = [Box(top=0, left=0, bottom=4, right=4), Box(top=4, left=0, bottom=8, right=8)]
    banks = network.read_parts(picture, boxes)
    drawn = network(x, times, replace(given, reference=banks))
    cached = network(x, times, replace(given, reference=network.cache(banks.to(x))))
    assert torch.equal(drawn, cached)
    assert torch.equal(drawn[..., :4, 4:], given.motion[..., :4, 4:])
    for box in boxes:
        own = replace(given, motion=box.of(given.motion), reference=network.read(box.of(picture)))
        alone = network(box.of(x), times, own)
        assert (box.of(drawn) - alone).abs().max() < 1e-5
        assert (alone - own.motion).abs().max() > 1e-3


@pytest.mark.parametrize("size", ((8, 8), (6, 10), (7, 9)))
def test_any_size(size):
    network = UNet(TINY.denoiser).requires_grad_(False)
    x = draw(2, 12, *size)
    assert network(x, torch.zeros(2), Conditions(motion=x)).shape == x.shape


def test_operations_come_from_the_host():
    made = []

    class Counting(Torch):
        class Linear(nn.Linear):
            def __init__(self, *args, **kwargs):
                made.append("linear")
                super().__init__(*args, **kwargs)

        class Conv2d(nn.Conv2d):
            def __init__(self, *args, **kwargs):
                made.append("conv")
                super().__init__(*args, **kwargs)

    for config in (
        TINY.denoiser,
        replace(MEMO.denoiser, **SMALL),
        replace(HALLO.denoiser, **SMALL),
    ):
        made.clear()
        network = UNet(config, operations=Counting, device=torch.device("meta"))
        leaves = [m for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
        assert len(leaves) == len(made) > 50
        assert all(isinstance(m, (Counting.Linear, Counting.Conv2d)) for m in leaves)
        assert all(value.is_meta for value in network.state_dict().values())


def test_dtype_is_followed():
    network = UNet(TINY.denoiser, dtype=torch.bfloat16).requires_grad_(False)
    x = draw(2, 12, SIZE, SIZE).bfloat16()
    assert network(x, torch.zeros(2), Conditions(motion=x)).dtype == torch.bfloat16


def test_the_builtin_renderer_is_small():
    network = UNet(BUILTIN.denoiser, device=torch.device("meta"))
    assert sum(one.numel() for one in network.parameters()) * 2 <= 30e6  # bytes in half precision


@pytest.mark.parametrize("name", PRESETS)
def test_configs_survive_json(name):
    import json

    preset = PRESETS[name]
    assert RendererConfig.from_json(json.loads(json.dumps(preset.to_json()))) == preset


BAD = (
    ((draw(2, 4, 8, 8), torch.zeros(2)), {}, "12, height, width"),
    ((draw(2, 12, 8, 8), torch.zeros(3)), {}, "whole number of clips"),
    ((draw(2, 12, 8, 8), torch.zeros(2)), {"frames": 3}, "whole number of clips"),
    ((draw(2, 12, 8, 8), torch.zeros(2)), {}, "got none"),
    ((draw(2, 12, 8, 8), torch.zeros(2), Conditions(motion=draw(3, 12, 8, 8))), {}, "same count"),
)


@pytest.mark.parametrize(("args", "kwargs", "message"), BAD)
def test_bad_latents_are_refused(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        UNet(TINY.denoiser)(*args, **kwargs)


def test_conditions_without_a_path_are_refused():
    bare = AdapterConfig(guider_widths=(), emotion_width=0, speech_width=0, scene_width=0)
    network = small(ANIPORTRAIT.denoiser, adapters=bare)
    x, times = noisy(network)
    own = everything(network)
    for path, word in (("emotion", "'emotion'"), ("speech", "'audio'")):
        with pytest.raises(ValueError, match=word):
            network(x, times, Conditions(**{path: getattr(own, path)}))
    with pytest.raises(ValueError, match="'scene'"):
        network.read(x[:1], draw(1, 7, 12))


def test_too_many_frames_are_refused():
    network = UNet(replace(TINY.denoiser, max_frames=4))
    x = draw(5, 12, SIZE, SIZE)
    with pytest.raises(ValueError, match="smaller window"):
        network(x, torch.zeros(5), Conditions(motion=x))


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"widths": (32,)}, "one entry a level"),
        ({"widths": (30, 64, 64, 64)}, "multiples"),
        ({"adds_motion": True, "out_channels": 3}, "same"),
    ),
)
def test_bad_configs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        UNetConfig(**changes)
