"""Motions adjusted and mixed by hand."""

from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion.adjust import mirrored, reshape, retimed, trimmed, with_frames
from synchrorama.models.motion.mix import mixed
from synchrorama.models.motion.parts import NAMES, columns_of, parse_parts
from synchrorama.models.types import ARKIT_INDEX, Motion

ALL = parse_parts("everything")


def a_motion(frames: int = 50, fps: float = 25.0, seed: int = 0) -> Motion:
    chance = torch.Generator().manual_seed(seed)
    return Motion(
        coefficients=torch.rand(frames, 52, generator=chance),
        head_rotation=0.1 * torch.randn(frames, 3, generator=chance),
        head_translation=0.02 * torch.randn(frames, 3, generator=chance),
        fps=fps,
    )


def same(one: Motion, other: Motion) -> bool:
    return one.fps == other.fps and all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("coefficients", "head_rotation", "head_translation")
    )


def test_parts_share_all_coefficients_between_them() -> None:
    columns = sorted(i for name in NAMES for i in columns_of(name))
    assert columns == list(range(52))
    assert columns_of("jaw") == tuple(ARKIT_INDEX[f"jaw{end}"] for end in _JAW)
    assert columns_of("head") == ()


_JAW = ("Forward", "Left", "Right", "Open")


def test_parts_are_read_as_typed() -> None:
    assert parse_parts("Head").head
    assert parse_parts("head").columns == ()
    smile = {ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]}
    assert set(parse_parts("mouthsmile").columns) == smile
    assert parse_parts("jawOpen, gaze").columns == tuple(
        sorted({ARKIT_INDEX["jawOpen"], *columns_of("gaze")})
    )
    assert len(parse_parts("mouth").columns) == 23
    assert len(ALL.columns) == 52 and ALL.head


@pytest.mark.parametrize(
    ("text", "part"), [("nos", "'nos'"), ("lips mouthSmil", "'mouthSmil'"), (" , ", "empty")]
)
def test_unknown_parts_are_named(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=f"'parts' .*{part}"):
        parse_parts(text)


def test_settings_that_change_nothing_change_no_bit() -> None:
    motion = a_motion()
    assert same(reshape(motion, ALL), motion)
    assert same(trimmed(motion, 0.0, 0.0), motion)
    assert same(retimed(motion, 1.0, 0.0), motion)
    assert same(retimed(motion, 1.0, 25.0), motion)
    assert same(mirrored(mirrored(motion, ALL), ALL), motion)
    assert same(with_frames(motion, 50), motion)


def test_scaling_moves_only_what_is_selected() -> None:
    motion = a_motion()
    out = reshape(motion, parse_parts("lips"), scale=0.0)
    lips = list(columns_of("lips"))
    others = [i for i in range(52) if i not in lips]
    assert out.coefficients[:, lips].abs().max() == 0
    assert torch.equal(out.coefficients[:, others], motion.coefficients[:, others])
    assert torch.equal(out.head_rotation, motion.head_rotation)
    still = reshape(motion, parse_parts("head"), scale=0.0)
    assert still.head_rotation.abs().max() == 0
    assert torch.equal(still.coefficients, motion.coefficients)


def test_scaling_turns_around_the_rest() -> None:
    motion = a_motion()
    rest = torch.full((52,), 0.3)
    assert torch.allclose(reshape(motion, ALL, scale=0.0, rest=rest).coefficients, rest)
    double = reshape(motion, ALL, scale=2.0, rest=rest).coefficients
    wanted = (0.3 + 2 * (motion.coefficients - 0.3)).clamp(0, 1)
    assert torch.allclose(double, wanted, atol=1e-6)


def test_offset_clamp_and_smoothing() -> None:
    motion = a_motion(200)
    raised = reshape(motion, ALL, offset=0.25).coefficients
    assert torch.allclose(raised, (motion.coefficients + 0.25).clamp(max=1))
    kept = reshape(motion, ALL, lowest=0.2, highest=0.4).coefficients
    assert kept.min() == pytest.approx(0.2) and kept.max() == pytest.approx(0.4)
    calm = reshape(motion, ALL, smooth_s=0.2)
    assert calm.coefficients.std(0).max() < 0.5 * motion.coefficients.std(0).min()
    assert calm.head_rotation.std() < 0.5 * motion.head_rotation.std()
    assert torch.allclose(calm.coefficients.mean(0), motion.coefficients.mean(0), atol=0.03)


def test_mirror_exchanges_sides_and_turns() -> None:
    motion = a_motion()
    out = mirrored(motion, ALL)
    for left, right in (("eyeBlinkLeft", "eyeBlinkRight"), ("jawLeft", "jawRight")):
        at, to = ARKIT_INDEX[left], ARKIT_INDEX[right]
        assert torch.equal(out.coefficients[:, at], motion.coefficients[:, to])
        assert torch.equal(out.coefficients[:, to], motion.coefficients[:, at])
    jaw = ARKIT_INDEX["jawOpen"]
    assert torch.equal(out.coefficients[:, jaw], motion.coefficients[:, jaw])
    assert torch.equal(out.head_rotation, motion.head_rotation * torch.tensor([1.0, -1.0, -1.0]))
    assert torch.equal(out.head_translation[:, 0], -motion.head_translation[:, 0])


def test_trim_and_length() -> None:
    motion = a_motion(50)
    out = trimmed(motion, 0.4, 1.0)
    assert torch.equal(out.coefficients, motion.coefficients[10:25])
    longer = with_frames(motion, 53)
    assert longer.frames == 53
    assert torch.equal(longer.coefficients[-1], motion.coefficients[-1])


def test_retiming_keeps_the_curve() -> None:
    seconds = (torch.arange(100) + 0.5) / 25
    track = (0.5 + 0.4 * torch.sin(4 * seconds))[:, None]
    motion = Motion(
        coefficients=track.expand(-1, 52).contiguous(),
        head_rotation=track.expand(-1, 3).contiguous(),
        head_translation=torch.zeros(100, 3),
        fps=25.0,
    )
    out = retimed(motion, 1.0, 60.0)
    assert (out.frames, out.fps) == (240, 60.0)
    at = (torch.arange(240) + 0.5) / 60
    wanted = 0.5 + 0.4 * torch.sin(4 * at)
    assert (out.coefficients[3:-3, 0] - wanted[3:-3]).abs().max() < 0.01
    half = retimed(motion, 2.0, 0.0)
    assert half.frames == 50
    wanted = 0.5 + 0.4 * torch.sin(4 * (torch.arange(50) + 0.5) / 12.5)
    assert (half.head_rotation[:, 0] - wanted).abs().max() < 0.01
    assert retimed(a_motion(1), 0.5, 0.0).frames == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: reshape(m, ALL, scale=9.0), "'scale' is 9"),
        (lambda m: reshape(m, ALL, smooth_s=float("nan")), "'smooth' is nan"),
        (lambda m: reshape(m, ALL, lowest=0.8, highest=0.2), "'lowest' is 0.8"),
        (lambda m: trimmed(m, 1.0, 0.5), "'start' 1 s and 'end' 0.5 s"),
        (lambda m: trimmed(m, 9.0, 0.0), "motion of 2.00 s"),
        (lambda m: retimed(m, 0.0, 0.0), "'speed' is 0"),
        (lambda m: retimed(m, 1.0, 5.0), "'fps' is 5"),
    ],
)
def test_bad_adjustments_are_named(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call(a_motion())


def test_parts_come_from_the_layer_and_nothing_else() -> None:
    base, layer = a_motion(seed=1), a_motion(seed=2)
    out = mixed(base, layer, {"lips": 1.0, "head": 1.0})
    lips = list(columns_of("lips"))
    others = [i for i in range(52) if i not in lips]
    assert torch.allclose(out.coefficients[:, lips], layer.coefficients[:, lips], atol=1e-6)
    assert torch.equal(out.coefficients[:, others], base.coefficients[:, others])
    assert torch.allclose(out.head_rotation, layer.head_rotation, atol=1e-6)
    half = mixed(base, layer, {"brows": 0.5}).coefficients
    brows = list(columns_of("brows"))
    wanted = (base.coefficients[:, brows] + layer.coefficients[:, brows]) / 2
    assert torch.allclose(half[:, brows], wanted, atol=1e-6)


def test_weight_zero_changes_no_bit() -> None:
    base = a_motion(seed=1)
    assert same(mixed(base, a_motion(seed=2), {}), base)


def test_fades_are_smooth_and_stay_inside() -> None:
    base, layer = a_motion(100, seed=1), a_motion(100, seed=2)
    out = mixed(
        base, layer, {"jaw": 1.0}, start_s=1.0, end_s=3.0, fade_in_s=0.4, fade_out_s=0.4
    ).coefficients
    jaw = ARKIT_INDEX["jawOpen"]
    share = (out - base.coefficients)[:, jaw] / (layer.coefficients - base.coefficients)[:, jaw]
    assert torch.equal(out[:25], base.coefficients[:25])
    assert torch.equal(out[75:], base.coefficients[75:])
    assert torch.allclose(share[36:64], torch.ones(28), atol=1e-3)
    assert (share[25:36].diff() > -1e-3).all() and share[25:36].diff().max() < 0.2


def test_adding_puts_the_layer_on_top() -> None:
    base, layer = a_motion(seed=1), a_motion(seed=2)
    rest = torch.full((52,), 0.5)
    out = mixed(base, layer, {"gaze": 1.0, "head": 0.5}, way="add", rest=rest)
    gaze = list(columns_of("gaze"))
    wanted = (base.coefficients + layer.coefficients - 0.5)[:, gaze].clamp(0, 1)
    assert torch.allclose(out.coefficients[:, gaze], wanted, atol=1e-6)
    assert torch.allclose(out.head_rotation, base.head_rotation + 0.5 * layer.head_rotation)


@pytest.mark.parametrize(
    ("layer", "settings", "message"),
    [
        (a_motion(50, 30.0), {}, "'base' has 25 fps and 'layer' 30 fps"),
        (a_motion(40), {}, r"'base' has 50 frames \(2.00 s\) and 'layer' 40 \(1.60 s\)"),
        (a_motion(), {"start_s": 2.0}, "'start' 2 s"),
        (a_motion(), {"fade_in_s": -1.0}, "'fade_in' is -1 s"),
    ],
)
def test_layers_that_do_not_fit_are_named(layer, settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        mixed(a_motion(), layer, {"lips": 1.0}, **settings)


def test_weights_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="'head' is 1.5"):
        mixed(a_motion(), a_motion(), {"head": 1.5})
