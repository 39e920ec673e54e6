from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion.audio_to_motion import TINY
from synchrorama.models.motion.flow import Flow
from synchrorama.models.motion.gestures import (
    CHANNELS,
    Gestures,
    GesturesConfig,
    gestures_in_windows,
    prosody_of,
)


def scrambled(module: torch.nn.Module, deviation: float = 0.3) -> torch.nn.Module:
    """The module with weights that are nowhere 0."""
    chance = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=chance) * deviation
    return module


def condition(frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    return torch.rand(frames, 22, generator=chance), torch.rand(frames, 10, generator=chance)


def test_the_flow_is_undone_exactly() -> None:
    flow = scrambled(Flow(6, 5, layers=4, width=8)).double()
    chance = torch.Generator().manual_seed(2)
    latent = torch.randn(2, 6, 30, generator=chance).double()
    given = torch.randn(2, 5, 30, generator=chance).double()
    noise = flow(latent, given)
    assert float((noise - latent).abs().max().detach()) > 0.1
    assert torch.allclose(flow.inverse(noise, given), latent, atol=1e-10)


def test_the_flow_keeps_volume() -> None:
    flow = scrambled(Flow(4, 3, layers=4, width=8)).double()
    given = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(3)).double()

    def through(x: torch.Tensor) -> torch.Tensor:
        return flow(x.reshape(1, 4, 5), given).reshape(-1)

    at = torch.randn(20, generator=torch.Generator().manual_seed(4)).double()
    jacobian = torch.autograd.functional.jacobian(through, at)
    assert float(torch.linalg.det(jacobian).abs()) == pytest.approx(1.0, abs=1e-6)


def test_an_untrained_flow_only_turns_the_channels_over() -> None:
    flow = Flow(4, 3, layers=4, width=8)
    latent = torch.randn(1, 4, 7, generator=torch.Generator().manual_seed(5))
    assert torch.equal(flow(latent, torch.zeros(1, 3, 7)), latent)


@pytest.mark.parametrize("config", [TINY.gestures, GesturesConfig(), GesturesConfig(stride=4)])
def test_hears_and_draws_within_its_reach(config: GesturesConfig) -> None:
    network = scrambled(Gestures(config), 0.2).double()
    assert config.reach % config.stride == 0
    frames = 2 * config.reach + 10 * config.stride
    middle = frames // 2
    noise = torch.zeros(1, config.latent, frames // config.stride).double().requires_grad_()
    prosody, emotion = (x[None].double().requires_grad_() for x in condition(frames))
    network(noise, prosody, emotion)[0, middle].sum().backward()
    for grad, each in (
        (noise.grad[0].T, config.stride),
        (prosody.grad[0], 1),
        (emotion.grad[0], 1),
    ):
        found = grad.abs().sum(1).nonzero()[:, 0] * each
        assert middle - int(found.min()) <= config.reach
        assert int(found.max()) + each - middle <= config.reach


@pytest.mark.parametrize("window", [20, 64, 301])
def test_windows_change_nothing(window: int) -> None:
    network = scrambled(Gestures(TINY.gestures))
    prosody, emotion = condition(301)
    steps: list[tuple[int, int]] = []
    whole = gestures_in_windows(network, prosody, emotion, seed=7)
    parts = gestures_in_windows(
        network, prosody, emotion, seed=7, window=window, on_step=lambda i, n: steps.append((i, n))
    )
    assert whole.shape == (301, len(CHANNELS))
    assert torch.allclose(whole, parts, rtol=1e-4, atol=1e-4)
    assert steps[-1][0] == steps[-1][1] == len(steps)


def test_a_single_frame_is_no_edge() -> None:
    """What is felt reaches beyond the clip, so a short clip shows as much of it as a long one."""
    network = scrambled(Gestures(TINY.gestures))
    still, felt = torch.zeros(200, 22), condition(1)[1].expand(200, -1)
    long = gestures_in_windows(network, still, felt, seed=0, temperature=0.0)
    short = gestures_in_windows(network, still[:1], felt[:1], seed=0, temperature=0.0)
    assert torch.allclose(short[0], long[100], atol=1e-3)


def test_seed_and_temperature_choose_the_take() -> None:
    network = scrambled(Gestures(TINY.gestures))
    prosody, emotion = condition(40)

    def take(seed: int, temperature: float) -> torch.Tensor:
        return gestures_in_windows(network, prosody, emotion, seed=seed, temperature=temperature)

    assert torch.equal(take(1, 1.0), take(1, 1.0))
    assert not torch.allclose(take(1, 1.0), take(2, 1.0))
    assert torch.equal(take(1, 0.0), take(2, 0.0))
    assert take(-1, 1.0).shape == take(2**64 - 1, 1.0).shape


def test_prosody_is_silent_where_nobody_speaks() -> None:
    mel = torch.rand(41, 80, generator=torch.Generator().manual_seed(0)) * 3.0 - 2.0
    activity = torch.zeros(41)
    activity[:20] = 1.0
    prosody = prosody_of(mel, activity)
    assert prosody.shape == (11, 22)
    assert bool((prosody[:5].abs().sum(1) > 0).all())
    assert not prosody[5:].any()


def test_a_bad_config_is_named() -> None:
    with pytest.raises(ValueError, match="an even latent"):
        GesturesConfig(latent=3)
