"""The renderer's data and training: shards, ten steps, going on after an interruption."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synchrorama.models.checkpoint import load_checkpoint
from synchrorama.models.head import HeadModel
from synchrorama.models.landmarks import LOWER_LIP
from synchrorama.models.media import read_image
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.portrait.fit import MESH_LANDMARKS
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.render import keys
from synchrorama.models.render.codec import PixelUnshuffle
from synchrorama.models.render.config import TINY, RendererConfig
from synchrorama.models.render.unet import Conditions, UNet
from synchrorama.models.types import ARKIT_INDEX, Face
from synchrorama.training import render
from synchrorama.training.render import (
    FORMAT,
    TrainingConfig,
    examples_in,
    seen_on,
    train,
)
from synchrorama.training.render_data import (
    OTHER,
    aligned,
    examples_of_track,
    scenes_apart,
    tracked_motion,
)
from synchrorama.training.render_heads import cast_actor, head_examples, raised_tongue
from synchrorama.training.render_losses import LossConfig, picture_loss
from synchrorama.training.render_pairs import reopened_examples
from synchrorama.training.render_shards import Example, ShardWriter, read_shard
from synchrorama.training.render_step import StateConfig, cache_of, random_state, spot_loss
from synchrorama.training.render_tracks import (
    LIDS,
    LIPS,
    as_bytes,
    gap,
    read_tracks,
    references_of,
    shots,
    tracks_of_clip,
    write_tracks,
)
from synchrorama.training.render_windows import WindowConfig, bank_of, middles_of, spots_of

SIZE, FRAMES = 32, 4
SHORT = TrainingConfig(
    steps=10,
    rate=3e-3,
    warm_up=1,
    every=10,
    windows=WindowConfig(
        batch=2, frames=4, sizes=((16, 24), (8, 16)), scale=0.0, turn=0.0, mouths=1.0
    ),
    states=StateConfig(no_reference=0.0, unheard=0.0, teach=0.0, own=0.0),
)
AGAINST = LossConfig(adversary=0.1)
CODEC = PixelUnshuffle(TINY.downscale)
CPU = torch.device("cpu")


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


def test_pixels_may_be_kept_raw(tmp_path):
    writer = ShardWriter(tmp_path, name="other", raw=True)
    writer.add(example())
    writer.close()
    (one,) = read_shard(tmp_path / "other_0000.safetensors")
    assert torch.equal(one.target, example().target)


def test_held_out_clips_are_never_seen(shards, tmp_path):
    names = [one.clip for one in examples_in(shards, {"clip1", "clip4"})]
    assert names == ["clip0", "clip2", "clip3", "clip5"]
    with pytest.raises(ValueError, match="Hold out fewer"):
        everyone = frozenset(f"clip{i}" for i in range(6))
        train(TINY, SHORT, [shards], tmp_path / "run", device=CPU, held_out=everyone)


def test_signals_are_kept(tmp_path):
    one = replace(example(), emotion=torch.rand(FRAMES, 256), speech=torch.rand(FRAMES, 16, 80))
    writer = ShardWriter(tmp_path)
    writer.add(example())
    writer.add(one)
    writer.close()
    plain, heard = read_shard(tmp_path / "shard_0000.safetensors")
    assert plain.emotion is None and plain.speech is None
    assert (heard.emotion - one.emotion).abs().max() < 1e-3  # as half precision
    assert heard.speech.shape == (FRAMES, 16, 80)


def test_windows_lie_on_mouth_and_eyes():
    weight = torch.zeros(64, 64)
    weight[40:50, 20:44] = 255
    weight[10:16, 12:24] = weight[12:18, 40:52] = 255
    mouth, first, second = middles_of(weight)
    assert mouth.tolist() == [44.5, 31.5]
    assert first.tolist() == [12.5, 17.5]
    assert second.tolist() == [14.5, 45.5]
    assert middles_of(torch.zeros(8, 8))[0].tolist() == [4, 4]


def bank(*seeds):
    return bank_of([example(seed) for seed in seeds or (0,)], CPU)


def test_a_window_is_the_same_place_in_all_pictures():
    config = replace(SHORT.windows, scale=0.2, turn=0.1)
    for seed in range(6):
        spot = spots_of(bank(), config, torch.Generator().manual_seed(seed))
        assert spot.motion.shape == spot.target.shape == (2 * FRAMES, 3, 16, 24)
        assert torch.equal(spot.reference[0], spot.motion[0])
        differs = (spot.motion != spot.target).any(1)
        assert differs.any()
        assert bool((spot.share[:, 0][differs] > 0).all())


def test_windows_without_a_turn_are_pixels_of_the_picture():
    """What is only cut out and mirrored is not blurred."""
    board = torch.zeros(FRAMES, SIZE, SIZE, 3, dtype=torch.uint8)
    board[:, ::2, ::2] = board[:, 1::2, 1::2] = 255
    one = bank_of([replace(example(), motion=board, target=board)], CPU)
    spot = spots_of(one, SHORT.windows, torch.Generator().manual_seed(0))
    for channel in spot.motion[0]:
        assert len((channel * 1e4).round().unique()) == 2  # black and a light, nothing between
    assert torch.equal(spot.motion, spot.target)


def test_photos_are_given_the_speech_of_others():
    heard = bank_of(
        [replace(example(), emotion=torch.rand(FRAMES, 256), speech=torch.rand(FRAMES, 16, 8))],
        CPU,
    )
    spot = spots_of(bank(), SHORT.windows, torch.Generator().manual_seed(0), heard)
    assert torch.equal(spot.speech, heard.speech[0].repeat(2, 1, 1))
    assert torch.equal(spot.emotion, heard.emotion[0].repeat(2, 1))
    assert spots_of(bank(), SHORT.windows, torch.Generator()).speech is None


def test_pictures_stand_still_beside_clips():
    still = example(1)
    still = replace(still, **{k: getattr(still, k)[:1] for k in ("motion", "target", "weight")})
    both = bank_of([example(), still], CPU)
    assert both.motion.shape[:2] == (2, FRAMES)
    assert torch.equal(both.motion[1], both.motion[1, :1].expand(FRAMES, -1, -1, -1))


def test_windows_may_be_shorter_than_examples():
    short = replace(SHORT.windows, frames=2, sizes=((SIZE, SIZE), (SIZE, SIZE)))
    levels = torch.arange(FRAMES, dtype=torch.uint8)[:, None, None, None] + 40
    flat = levels.expand(-1, SIZE, SIZE, 3).contiguous()
    one = replace(example(), motion=flat, target=flat)
    starts = set()
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        spot = spots_of(bank_of([one], CPU), short, generator)
        assert spot.motion.shape[0] == 2 * 2
        first, second = spot.motion[0].mean(), spot.motion[1].mean()
        assert second > first  # one after the other
        starts.add(round(float(first), 3))
    assert len(starts) > 2


def test_shorter_examples_come_in_larger_numbers():
    still = example()
    still = replace(still, **{k: getattr(still, k)[:1] for k in ("motion", "target", "weight")})
    spot = spots_of(bank_of([still], CPU), SHORT.windows, torch.Generator())
    assert spot.motion.shape[0] == spot.reference.shape[0] == 2 * FRAMES


def test_a_state_lies_between_the_start_and_an_answer():
    spot = spots_of(bank(), SHORT.windows, torch.Generator().manual_seed(0))
    kinds = set()
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        config = StateConfig(noise=(0.3, 0.4), no_reference=0.3, unheard=0.3)
        state = random_state(spot, CODEC, config, generator)
        again = random_state(spot, CODEC, config, torch.Generator().manual_seed(seed))
        assert torch.equal(state.noise, again.noise) and torch.equal(state.first, again.first)
        assert float(state.left) in (0.25, 0.5, 0.75, 1.0)
        assert bool((state.first >= 0.3).all())
        assert state.own <= (float(state.left) < 1)
        assert not state.kept[1] and not state.kept[2]  # there is neither to be told
        kinds.add((state.kept[0], state.own, float(state.left) < 1))
    assert len(kinds) == 6


def test_a_target_is_bent_to_its_wanted_place():
    picture = torch.zeros(1, 64, 64, 3)
    picture[:, 30:33, 30:33] = 1
    seen = torch.tensor([[[31.5, 31.5], [5.0, 5.0]]])
    wanted = seen + torch.tensor([[[2.0, -1.0], [0.0, 0.0]]])
    bent = aligned(picture, seen, wanted)
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    share = bent[0, ..., 0] / bent[0, ..., 0].sum()
    assert abs(float((share * (columns + 0.5)).sum()) - 33.5) < 0.3
    assert abs(float((share * (rows + 0.5)).sum()) - 30.5) < 0.3
    assert torch.equal(aligned(picture, seen, seen), picture)


def test_another_light_is_another_scene_and_another_detail_is_not():
    points = torch.rand(1, 478, 3, generator=torch.Generator().manual_seed(0)) * 32 + 16
    grey = torch.full((1, 64, 64, 3), 120, dtype=torch.uint8)
    fine = grey.clone()
    fine[:, ::2] += 60
    fine[:, 1::2] -= 60
    assert scenes_apart(grey, fine, points) < OTHER / 2
    assert scenes_apart(grey, grey + 60, points) > 2 * OTHER


def test_each_clip_of_a_batch_reads_its_own_reference():
    network = UNet(TINY.denoiser)
    with torch.no_grad():
        network.conv_out.weight.normal_()
    x, pictures = torch.rand(4, 12, 8, 8), torch.rand(2, 12, 8, 8)
    times = torch.full((4,), 300.0)
    given = Conditions(motion=x, reference=cache_of(network, pictures, 2))
    both = network(x, times, given, 2)
    for i in range(2):
        part = slice(2 * i, 2 * i + 2)
        own = Conditions(motion=x[part], reference=network.read(pictures[i : i + 1]))
        assert (both[part] - network(x[part], times[part], own)).abs().max() < 1e-4


def loss_of(network):
    with torch.no_grad():
        return sum(
            float(
                spot_loss(
                    network,
                    CODEC,
                    spot,
                    random_state(spot, CODEC, SHORT.states, torch.Generator().manual_seed(seed)),
                    SHORT.losses,
                )[0]
            )
            for seed in range(3)
            for spot in [spots_of(bank(seed), SHORT.windows, torch.Generator().manual_seed(seed))]
        )


def test_ten_steps_lower_the_loss(shards, tmp_path):
    before = loss_of(UNet(TINY.denoiser))
    dev = frozenset({"clip5"})
    trained = train(TINY, SHORT, [shards], tmp_path / "run", device=CPU, dev=dev)
    assert loss_of(trained) < 0.9 * before
    log = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    (record,) = [json.loads(line) for line in log]
    assert record["step"] == 10
    assert record["gain"] > 0.02  # on a clip that it was not trained on


def test_what_is_seen_is_zero_for_a_network_that_changes_nothing():
    seen = seen_on(UNet(TINY.denoiser), PixelUnshuffle(TINY.downscale), bank(0, 1), SHORT)
    assert seen["gain"] == 0
    assert seen["sharp"] == seen["sharp_motion"]


def test_time_ends_training_too(shards, tmp_path):
    config = replace(SHORT, steps=10**9, seconds=0.5, every=10**9)
    train(TINY, config, [shards], tmp_path, device=CPU)
    (record,) = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(record)["step"] > 0


def test_going_on_is_as_if_never_interrupted(shards, tmp_path, monkeypatch):
    config = replace(SHORT, steps=4, every=2, losses=AGAINST, adversary_from=0.0)
    whole = train(TINY, config, [shards], tmp_path / "whole", device=CPU)
    saved = render._save_weights

    def save_and_stop(*arguments):
        saved(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(render, "_save_weights", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, config, [shards], tmp_path / "parts", device=CPU)
    monkeypatch.undo()
    assert torch.load(tmp_path / "parts" / "state.pt", weights_only=True)["step"] == 2
    parts = train(TINY, config, [shards], tmp_path / "parts", device=CPU)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[key]), key


def test_weights_load_into_the_renderer(shards, tmp_path):
    config = replace(SHORT, steps=1, every=1)
    train(TINY, config, [shards], tmp_path, device=CPU)
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


def test_grain_tells_blur_from_a_detail_that_is_a_pixel_off():
    sharp = torch.zeros(1, 3, 32, 32)
    sharp[..., ::4] = 1
    weight = torch.ones_like(sharp)
    blurred = torch.full_like(sharp, 0.25)
    off = sharp.roll(1, 3)
    assert picture_loss(off, sharp, weight, 1.0) > picture_loss(blurred, sharp, weight, 1.0)
    assert picture_loss(off, sharp, weight, 0.0, 9.0) < picture_loss(
        blurred, sharp, weight, 0.0, 9.0
    )


def test_an_adversary_trains_along(shards, tmp_path):
    config = replace(SHORT, steps=4, every=2, losses=AGAINST, adversary_from=0.25)
    train(TINY, config, [shards], tmp_path, device=CPU)
    last = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["verdict"] > 0


def test_a_mouth_is_closed_and_opened_again():
    """The reference is shut, the motion frames and the target are open."""
    path = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"
    landmarker, head = FaceLandmarker.from_checkpoint(), HeadModel.from_checkpoint()
    portrait = prepare_portrait(read_image(path), landmarker=landmarker, head=head, size=256)
    wide = portrait.head.expression.clone()
    wide[ARKIT_INDEX["jawOpen"]] = 0.7
    still = torch.zeros(1, 3)
    open_mouth = as_bytes(MotionFrames(head, portrait).draw(wide[None], still, still))
    (track,) = tracks_of_clip(
        open_mouth, "open", landmarker=landmarker, head=head, size=128, min_face=60
    )
    found = list(
        reopened_examples(track, head=head, variants=2, generator=torch.Generator().manual_seed(0))
    )
    assert len(found) == 2
    gaps = [
        float(gap(landmarker.faces(picture[0].float() / 255)[0].landmarks))
        for picture in (found[0].reference, found[0].motion, found[0].target)
    ]
    assert gaps[0] < 0.05 < 0.1 < min(gaps[1:])


def test_a_head_speaks_and_its_teeth_are_seen():
    head = HeadModel.from_checkpoint()
    actor = cast_actor(head, 128, torch.Generator().manual_seed(3))
    coefficients = torch.zeros(2, 52)
    coefficients[1, ARKIT_INDEX["jawOpen"]] = 0.6
    made = head_examples(
        head,
        actor,
        coefficients,
        torch.zeros(2, 3),
        torch.full((2, 16, 80), -2.0),
        torch.zeros(2, 256),
        "head",
    )
    assert (made.target[0].float() - made.reference[0].float()).abs().mean() < 1
    inside = made.weight[1] > 0
    assert (made.target[1].float() - made.target[0].float()).abs()[inside].mean() > 5
    assert (made.motion[1].float() - made.target[1].float()).abs().mean() < 6


def test_high_sounds_raise_the_tongue():
    head = HeadModel.from_checkpoint()
    mel = torch.full((2, 16, 80), -2.0)
    mel[0, :, :20] = 0
    mel[1, :, 60:] = 0
    low, high = raised_tongue(head, mel)[..., 1].amax(1)
    assert high > low + 0.02
    assert raised_tongue(head, mel)[:, head.part != head.parts.index("tongue")].abs().max() == 0


@pytest.fixture(scope="module")
def still():
    sample = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"
    return (read_image(sample) * 255).round().to(torch.uint8)


@pytest.fixture(scope="module")
def found(still):
    """Four equal frames, tracked."""
    return list(
        tracks_of_clip(
            still[None].expand(4, -1, -1, -1),
            "still",
            landmarker=FaceLandmarker.from_checkpoint(),
            head=HeadModel.from_checkpoint(),
            size=128,
            min_face=60,
        )
    )


def test_a_clip_that_stands_still_is_its_own_motion(found):
    """Tracked and drawn again, a still picture is itself: nothing is left to learn."""
    head = HeadModel.from_checkpoint()
    examples = list(examples_of_track(found[0], head=head, length=2, references=2, apart=2))
    assert len(examples) >= 3
    one = examples[0]
    assert one.target.shape == one.motion.shape == (2, 128, 128, 3)
    off = (one.motion.float() - one.target.float()).abs()
    assert off.mean() < 1.0
    assert 0.01 < (one.weight > 0).float().mean() < 0.3
    assert torch.equal(one.reference[0], found[0].references[0])


def test_frames_that_are_not_neighbours_are_no_example(found):
    gone = replace(found[0], times=torch.tensor([0, 1, 5, 9]))
    head = HeadModel.from_checkpoint()
    examples = list(examples_of_track(gone, head=head, length=2, references=1, apart=1))
    assert len(examples) == 1


def test_tracks_come_back_from_a_file(found, tmp_path):
    write_tracks(found, tmp_path / "tracks.safetensors", None)
    (one,) = read_tracks(tmp_path / "tracks.safetensors")
    assert list(read_tracks(tmp_path / "tracks.safetensors", [1])) == []
    assert torch.equal(one.frames, found[0].frames)
    assert torch.equal(one.references, found[0].references)
    assert (one.landmarks - found[0].landmarks).abs().max() < 0.01
    assert (one.coefficients - found[0].coefficients).abs().max() < 1e-3
    assert (one.corner, one.places, one.clip) == (found[0].corner, found[0].places, "still")
    write_tracks(found, tmp_path / "small.safetensors")
    (small,) = read_tracks(tmp_path / "small.safetensors")
    assert (small.frames.float() - one.frames.float()).abs().mean() < 3


def test_another_file_holds_no_tracks(shards):
    with pytest.raises(ValueError, match=r"holds no tracks"):
        next(read_tracks(shards[0]))


def test_a_clip_is_cut_where_its_shot_changes():
    frames = torch.zeros(6, 40, 40, 3, dtype=torch.uint8)
    frames[4:] = 200
    assert shots(frames) == [(0, 4), (4, 6)]
    assert shots(frames[:1]) == [(0, 1)]


def test_references_are_the_most_closed_and_the_most_open_mouth(found):
    landmarks = found[0].landmarks[:1].expand(6, -1, -1).clone()
    lower = [k for row in LOWER_LIP for k in row]
    landmarks[:, lower, 1] += torch.tensor([3.0, 2.0, 1.0, 9.0, 2.0, 2.0])[:, None]
    chosen = references_of(landmarks, 4)
    assert chosen[:3] == (0, 2, 3)
    assert len(set(chosen)) == 4
    assert references_of(landmarks[:1]) == (0,)


def test_tracking_finds_lips_and_lids_of_the_drawn_mesh(still):
    """Even where the landmarker's scores say that nothing moved."""
    landmarker, head = FaceLandmarker.from_checkpoint(), HeadModel.from_checkpoint()
    portrait = prepare_portrait(still.float() / 255, landmarker=landmarker, head=head, size=256)
    mesh = MotionFrames(head, portrait).mesh
    said = portrait.head.expression.clone()
    said[ARKIT_INDEX["jawOpen"]] += 0.4
    said[ARKIT_INDEX["eyeBlinkLeft"]] = 0.7
    turn, shift = torch.tensor([[0.0, 0.1, 0.05]]), torch.zeros(1, 3)
    points = mesh(said[None], turn, shift)[0, :MESH_LANDMARKS, :2]
    moved = portrait.landmarks.clone()
    moved[:MESH_LANDMARKS, :2] = points
    corner, ratio = portrait.to_source[:, 2], portrait.to_source[0, 0]
    face = Face(
        box=torch.zeros(4),
        score=1.0,
        landmarks=torch.cat([moved[:, :2] * ratio + corner, moved[:, 2:] * ratio], 1),
        coefficients=portrait.head.expression,
    )
    found = tracked_motion(portrait, [face], head, mesh)
    again = mesh(found.coefficients, found.head_rotation, found.head_translation)
    off = (again[0, :MESH_LANDMARKS, :2] - points).norm(dim=1)
    assert off[[*LIPS, *LIDS]].mean() < 0.5
    assert found.coefficients.min() >= 0 and found.coefficients.max() <= 1


def test_a_clip_without_a_face_gives_nothing():
    blank = torch.full((3, 96, 96, 3), 128, dtype=torch.uint8)
    found = tracks_of_clip(
        blank,
        "blank",
        landmarker=FaceLandmarker.from_checkpoint(),
        head=HeadModel.from_checkpoint(),
        size=128,
        min_face=60,
    )
    assert list(found) == []
