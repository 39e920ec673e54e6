"""The sampler: a stream, equal however it is cut, and what ComfyUI's schedule is."""

import logging
from dataclasses import replace

import pytest
import torch
from synchrorama.models.render.config import TINY
from synchrorama.models.render.sample import Sampling, noise_like, sample, with_network
from synchrorama.models.render.unet import Conditions, UNet
from synchrorama.models.render.windows import in_windows

SIZE, FRAMES = 8, 9


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        network = UNet(TINY.denoiser)
    for i, (key, value) in enumerate(network.state_dict().items()):
        if not value.any():  # the paths that start at zero
            value += 0.05 * draw(*value.shape, seed=i) if "bias" not in key else 0
    return network.train(False).requires_grad_(False)


@pytest.fixture
def motion():
    return draw(FRAMES, 12, SIZE, SIZE, seed=1).clamp(-1, 1)


@pytest.fixture
def given(network):
    return Conditions(
        reference=network.read(draw(1, 12, SIZE, SIZE, seed=2)),
        emotion=draw(FRAMES, 256, seed=3),
        speech=draw(FRAMES, 5, 8, seed=4),
    )


def run(denoise, motion, chunk=3, **options):
    sampling = Sampling(**{"steps": 2, **options})
    return torch.cat(list(sample(denoise, motion.split(chunk), len(motion), TINY.window, sampling)))


def test_the_schedule_is_comfyuis_simple():
    """KSampler with 4 steps and denoise 0.35: 11 steps, of which the last 4."""
    assert Sampling(steps=4, noise=0.35).levels == [0.364, 0.273, 0.182, 0.091, 0.0]
    assert Sampling(steps=4, noise=1.0).levels == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert Sampling(steps=4, noise=0.0).levels == []


def test_it_is_eulers_method_over_the_whole_clip(network, motion, given):
    """The stream equals the plain loop that holds the whole clip."""
    denoise = with_network(network, given)
    sampling = Sampling(steps=3, noise=0.5, seed=7)
    noise = draw(*motion.shape, seed=7)  # one draw for all, as KSampler's
    levels = sampling.levels
    x = levels[0] * noise + (1 - levels[0]) * motion
    for i, (level, below) in enumerate(zip(levels, levels[1:], strict=False)):

        def window(start, stop, x=x, level=level):
            return denoise(x[start:stop], motion[start:stop], level, start)

        said = in_windows(window, x, TINY.window, 3 * i)
        x = x + (x - said) / level * (below - level)
    out = run(denoise, motion, steps=3, noise=0.5, seed=7)
    assert (out - x).abs().max() < 1e-6
    assert (out - motion).abs().max() > 1e-2


@pytest.mark.parametrize("chunk", (1, 9))
def test_chunks_change_nothing(network, motion, given, chunk):
    denoise = with_network(network, given)
    assert torch.equal(run(denoise, motion, chunk), run(denoise, motion, 3))


def test_noise_is_one_draw():
    like = draw(5, 12, 4, 4)
    generator = torch.Generator().manual_seed(9)
    parts = torch.cat([noise_like(like[:2], generator), noise_like(like[2:], generator)])
    assert torch.equal(parts, draw(5, 12, 4, 4, seed=9))


def test_few_frames_are_held(network, given):
    """What has been read of a long clip when the first frames come out does not grow with it."""
    held = []
    for frames in (40, 200):
        read = [0]

        def chunks(frames=frames, read=read):
            for _ in range(frames):
                read[0] += 1
                yield torch.zeros(1, 12, SIZE, SIZE)

        denoise = lambda x, motion, level, start: motion  # noqa: E731
        next(sample(denoise, chunks(), frames, 4, Sampling()))
        held.append(read[0])
    assert held[0] == held[1] <= 20


def test_the_dial_goes_from_motion_frames_to_diffusion(network, motion, given):
    denoise = with_network(network, given)
    full = run(denoise, motion)
    assert torch.equal(run(denoise, motion, strength=0.0), motion)
    assert torch.equal(run(denoise, motion, noise=0.0), motion)
    half = run(denoise, motion, strength=0.5)
    assert 0 < (half - motion).abs().mean() < (full - motion).abs().mean()
    assert not torch.equal(run(denoise, motion, seed=1), full)
    assert torch.equal(run(denoise, motion), full)


def test_without_a_correction_the_motion_frames_come_out(network, motion, given):
    silent = UNet(TINY.denoiser).requires_grad_(False)
    out = run(with_network(silent, replace(given, reference=None)), motion)
    assert (out - motion).abs().max() < 1e-6


@pytest.mark.parametrize("error", (torch.cuda.OutOfMemoryError("full"), MemoryError()))
def test_memory_that_runs_out_once_costs_only_larger_windows(motion, caplog, error):
    sizes = []

    def denoise(x, motion, level, start):
        sizes.append(len(x))
        if len(x) > 2:
            raise error
        return motion

    with caplog.at_level(logging.WARNING):
        out = run(denoise, motion)
    assert (out - motion).abs().max() < 1e-6
    assert sizes.count(4) == 1  # asked once, not at every window
    assert caplog.text.count("Out of memory with windows of 4 frames") == 1


def test_memory_that_runs_out_again_is_answered(motion):
    def denoise(x, motion, level, start):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 1000 bytes")

    with pytest.raises(ValueError, match="not enough to render 2 frames at once. Prepare"):
        run(denoise, motion)


def test_other_errors_come_through(motion):
    def denoise(x, motion, level, start):
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        run(denoise, motion)


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"steps": 0}, "'steps' is 0. Use 1 to 100"),
        ({"noise": 1.5}, "'denoise' is 1.5. Use a value from 0 to 1"),
        ({"strength": -1.0}, "'diffusion' is -1. Use"),
    ),
)
def test_options_out_of_range_are_answered(options, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**options)
