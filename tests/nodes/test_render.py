"""The renderer's nodes: KSampler's path, the path in one node, and what they refuse."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import core_nodes
import folder_paths
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from synchrorama.models.checkpoint import CheckpointError, save_checkpoint
from synchrorama.models.head import HeadModel
from synchrorama.models.media import read_image
from synchrorama.models.motion.face_points import face_points
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.render.config import ECHOMIMIC, TINY
from synchrorama.models.render.unet import UNet
from synchrorama.models.render.weights import BUILTIN_FILE, FORMAT
from synchrorama.models.types import Emotion, Motion
from synchrorama.nodes import host, render_clip
from synchrorama.nodes import render as render_nodes
from synchrorama.nodes.render import (
    SynchroRaMaRenderApply,
    SynchroRaMaRenderCondition,
    SynchroRaMaRenderLoad,
)
from synchrorama.nodes.render_clip import SynchroRaMaRender

SAMPLE = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"
FRAMES, SIDE, SIZE = 6, 128, 32  # more frames than a window of 4; larger than the renderer's size
RATE = 16000
RENDERER = replace(
    TINY,
    denoiser=replace(TINY.denoiser, adapters=replace(TINY.denoiser.adapters, speech_width=80)),
)
SETTINGS = {"steps": 2, "denoise": 0.4}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def write(path, trained=("emotion", "speech", "scene"), renderer=RENDERER, **changed):
    """A weight file as training writes it, with random weights."""
    network = UNet(renderer.denoiser, device=torch.device("meta"))
    weights = {}
    for i, (key, like) in enumerate(network.state_dict().items()):
        scale = 0.5 / max(like[0].numel(), 1) ** 0.5 if like.ndim > 1 else 0.1
        value = draw(*like.shape, seed=i) * scale + ("norm" in key and "weight" in key)
        parts = key.split(".")
        if parts[0] == "synchrorama" and parts[1] in {"emotion", "speech", "scene"} - set(trained):
            value = value * ("to_out" not in key)
        weights[f"denoiser.{key}"] = value.half()
    weights.update(changed)
    save_checkpoint(
        path, weights, format=FORMAT, config=renderer.to_json(), source="test", licence="CC0-1.0"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synchrorama")
    write(folder / "all.safetensors")
    write(folder / "plain.safetensors", trained=())
    with pytest.MonkeyPatch.context() as patch:
        registered = {host.FOLDER: ([str(folder)], {".safetensors"})}
        patch.setattr(folder_paths, "folder_names_and_paths", registered)
        yield folder


def load(name="all.safetensors"):
    with torch.inference_mode():
        return SynchroRaMaRenderLoad.execute(name).result


@pytest.fixture(scope="module")
def loaded(folder):
    return load()


@pytest.fixture(scope="module")
def portrait():
    return prepare_portrait(
        read_image(SAMPLE),
        landmarker=FaceLandmarker.from_checkpoint(),
        head=HeadModel.from_checkpoint(),
        size=SIDE,
    )


@pytest.fixture(scope="module")
def motion(portrait):
    coefficients = portrait.head.expression.repeat(FRAMES, 1)
    coefficients[:, 17] = torch.linspace(0.1, 0.7, FRAMES)  # jawOpen
    turn = torch.zeros(FRAMES, 3)
    turn[:, 1] = torch.linspace(0, 0.1, FRAMES)
    return Motion(
        coefficients=coefficients,
        head_rotation=turn,
        head_translation=torch.zeros(FRAMES, 3),
        fps=25.0,
    )


@pytest.fixture(scope="module")
def frames(portrait, motion):
    return torch.cat(list(MotionFrames(HeadModel.from_checkpoint(), portrait).render(motion)))


@pytest.fixture(scope="module", autouse=True)
def quick(portrait, motion, frames):
    """The head, its points and the motion frames are not made anew for each test."""
    head = HeadModel.from_checkpoint()
    points = face_points(head, portrait, motion)
    drawing = SimpleNamespace(render=lambda motion: iter(frames.split(4)))
    with pytest.MonkeyPatch.context() as patch:
        for module in (render_nodes, render_clip):
            patch.setattr(module, "HeadModel", SimpleNamespace(from_checkpoint=lambda: head))
            patch.setattr(module, "face_points", lambda head, portrait, motion: points)
        patch.setattr(render_clip, "MotionFrames", lambda head, portrait, device: drawing)
        yield


@pytest.fixture
def conditions():
    emotion = Emotion(
        scores=torch.full((FRAMES, 8), 0.125),
        valence_arousal=torch.zeros(FRAMES, 2),
        confidence=torch.ones(FRAMES),
        embedding=draw(FRAMES, 256),
        fps=25.0,
    )
    audio = {"waveform": draw(1, 1, RATE * FRAMES // 25) * 0.1, "sample_rate": RATE}
    return {"emotion": emotion, "audio": audio, "scene": [[draw(1, 5, 12), {}]]}


def condition(loaded, portrait, motion, frames, diffusion=1.0, size=SIZE, **given):
    with torch.inference_mode():
        return SynchroRaMaRenderCondition.execute(
            *loaded, portrait, motion, frames, diffusion, size, "mouth and eyes", **given
        ).result


def render(loaded, portrait, motion, seed=3, diffusion=1.0, region="mouth and eyes", **given):
    steps, denoise = given.pop("steps", SETTINGS["steps"]), given.pop("denoise", 0.4)
    with torch.inference_mode():
        return SynchroRaMaRender.execute(
            *loaded, portrait, motion, seed, steps, denoise, diffusion, SIZE, region, **given
        ).result


def through_ksampler(loaded, portrait, motion, frames, seed=3, **given):
    made = condition(loaded, portrait, motion, frames, **given)
    model, positive, negative, latent, mask, _ = made
    with torch.inference_mode():
        (sampled,) = core_nodes.KSampler.execute(
            model, seed, 2, 1.0, "euler", "simple", positive, negative, latent, 0.4
        ).result
        (pictures,) = core_nodes.VAEDecode.execute(sampled, loaded[1]).result
        return SynchroRaMaRenderApply.execute(frames, pictures, mask).result[0]


def test_both_paths_agree(loaded, portrait, motion, frames, conditions):
    before = frames.clone()
    native = through_ksampler(loaded, portrait, motion, frames, **conditions)
    ours, report = render(loaded, portrait, motion, **conditions)
    assert native.shape == ours.shape == frames.shape
    assert (native - ours).abs().max() < 1e-4
    assert (ours - frames).abs().max() > 0.02
    assert torch.equal(frames, before)
    assert report == "Every condition that is connected has an effect."


def test_pixels_outside_the_region_stay_bit_for_bit(loaded, portrait, motion, frames):
    made = condition(loaded, portrait, motion, frames)
    latent, mask = made[3]["samples"], made[4]
    assert latent.shape == (FRAMES, 12, SIZE // 2, SIZE // 2)
    assert mask.shape == frames.shape[:3] and 0 < (mask > 0).float().mean() < 0.3
    for out in (
        render(loaded, portrait, motion)[0],
        through_ksampler(loaded, portrait, motion, frames),
    ):
        assert torch.equal(out[mask == 0], frames[mask == 0])
        assert not torch.equal(out[mask > 0], frames[mask > 0])
    mouth, _ = render(loaded, portrait, motion, region="mouth")
    eyes, _ = render(loaded, portrait, motion, region="eyes")
    moved = [(one != frames).any(-1) for one in (mouth, eyes)]
    assert moved[0].any() and moved[1].any() and not (moved[0] & moved[1]).any()


def test_the_dial(loaded, portrait, motion, frames):
    assert torch.equal(render(loaded, portrait, motion, diffusion=0.0)[0], frames)
    assert torch.equal(render(loaded, portrait, motion, denoise=0.0)[0], frames)
    full = (render(loaded, portrait, motion)[0] - frames).abs().mean()
    half = (render(loaded, portrait, motion, diffusion=0.5)[0] - frames).abs().mean()
    assert 0 < half < full
    still = through_ksampler(loaded, portrait, motion, frames, diffusion=0.0)
    assert (still - frames).abs().max() < 1e-5


def test_seeds_repeat(loaded, portrait, motion):
    first = render(loaded, portrait, motion)[0]
    assert torch.equal(render(loaded, portrait, motion)[0], first)
    assert not torch.equal(render(loaded, portrait, motion, seed=4)[0], first)


def test_edited_frames_are_taken(loaded, portrait, motion, frames):
    drawn = render(loaded, portrait, motion)[0]
    assert torch.equal(render(loaded, portrait, motion, frames=frames)[0], drawn)
    darker = render(loaded, portrait, motion, frames=frames * 0.5)[0]
    assert torch.equal(darker[:, 0], frames[:, 0] * 0.5)


def test_each_condition_has_an_effect(loaded, portrait, motion, conditions):
    full = render(loaded, portrait, motion, **conditions)[0]
    for name in conditions:
        without = {key: value for key, value in conditions.items() if key != name}
        assert (render(loaded, portrait, motion, **without)[0] - full).abs().max() > 1e-5, name


def test_untrained_conditions_say_so_and_change_nothing(
    folder, portrait, motion, frames, conditions, caplog
):
    plain = load("plain.safetensors")
    out, report = render(plain, portrait, motion, **conditions)
    assert torch.equal(out, render(plain, portrait, motion)[0])
    assert report.splitlines() == [
        f"'{name}' changes nothing: this renderer was not trained on it."
        for name in ("emotion", "audio", "scene")
    ]
    assert "'scene' changes nothing" in caplog.text
    assert condition(plain, portrait, motion, frames, scene="a garden")[5].startswith("'scene' ch")
    assert "changes nothing" not in render(plain, portrait, motion, scene="")[1]


def test_cancelling_stops_at_the_next_window(loaded, portrait, motion, monkeypatch):
    import comfy.model_management as management

    calls = [0]

    def cancel():
        calls[0] += 1
        if calls[0] == 3:
            raise management.InterruptProcessingException

    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", cancel)
    with pytest.raises(management.InterruptProcessingException):
        render(loaded, portrait, motion)
    assert calls[0] == 3


def test_many_frames_go_through_a_file(loaded, portrait, motion, tmp_path, monkeypatch):
    import comfy.utils

    previews = []
    show = lambda self, value, total=None, preview=None: previews.append(preview)  # noqa: E731
    monkeypatch.setattr(comfy.utils.ProgressBar, "update_absolute", show)
    expected = render(loaded, portrait, motion)[0]
    assert any(one and one[0] == "JPEG" and one[1].size == (SIDE, SIDE) for one in previews)
    monkeypatch.setattr(host, "IN_MEMORY", 1e4)
    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path / "temp"))
    out = render(loaded, portrait, motion)[0]
    assert torch.equal(out, expected)
    with torch.inference_mode():
        out += 1  # an ordinary IMAGE
    assert list((tmp_path / "temp").iterdir()) == []
    monkeypatch.setattr(host.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match=r"6 frames of 128 x 128 need .* GB on the disk"):
        render(loaded, portrait, motion)


def test_the_weights_can_be_chosen(folder):
    options = SynchroRaMaRenderLoad.define_schema().inputs[0].options
    assert options == ["built-in", "all.safetensors", "plain.safetensors"]
    with pytest.raises(ValueError, match=r"'weights' is 'gone\.safetensors', which is not in the"):
        load("gone.safetensors")


@pytest.mark.skipif(BUILTIN_FILE.is_file(), reason="the built-in weights are there")
def test_missing_built_in_weights_are_answered():
    with pytest.raises(CheckpointError, match="built-in renderer's weights are not part of this"):
        load("built-in")


def spoilt(path, how):
    if how == "foreign":
        return save_file({"conv_in.weight": torch.zeros(1)}, path)
    if how == "family":
        return save_checkpoint(
            path, {}, format=FORMAT, config=ECHOMIMIC.to_json(), source="", licence=""
        )
    if how == "version":
        return save_checkpoint(path, {}, format=FORMAT, config={"a": 1}, source="", licence="")
    if how == "cut":
        return path.write_bytes((path.parent / "all.safetensors").read_bytes()[:5000])
    if how == "extra":
        return write(path, **{f"denoiser.else.{i}": torch.zeros(1) for i in range(7)})
    if how == "network":
        return write(path, **{"reference.conv_in.weight": torch.zeros(1)})
    with safe_open(path.parent / "all.safetensors", framework="pt") as file:
        tensors, header = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    assert json.loads(header["config"])["name"] == "tiny"
    if how == "missing":
        tensors = {key: value for key, value in tensors.items() if "conv_in" not in key}
    if how == "shape":
        tensors["denoiser.conv_in.weight"] = torch.zeros(3, 3)
    if how == "nan":
        tensors["denoiser.conv_in.weight"][0] = float("nan")
    return save_file(tensors, path, header)


@pytest.mark.parametrize(
    ("how", "message"),
    (
        ("foreign", "holds 'an unknown format', needed is 'synchrorama.renderer'. Choose"),
        ("family", "is a renderer 'echomimic', which these nodes cannot use yet. Choose"),
        ("version", "has a header from another version of the pack"),
        ("cut", "cannot be read"),
        ("extra", r"7 keys are unknown, first else\.0, else\.1, else\.2, else\.3, else\.4\."),
        ("network", r"1 keys are unknown, first reference\.conv_in\.weight\."),
        ("missing", r"4 keys are missing, first conv_in\.bias, conv_in\.weight, synchrorama"),
        ("shape", r"1 keys are of another shape, first conv_in\.weight\."),
        ("nan", r"no numbers in 1 keys, first conv_in\.weight\. The file is broken"),
    ),
)
def test_weight_files_that_do_not_fit_are_answered(folder, how, message):
    path = folder / "spoilt.safetensors"
    spoilt(path, how)
    try:
        with pytest.raises(CheckpointError, match=message) as caught:
            load(path.name)
    finally:
        path.unlink()
    assert "'spoilt.safetensors'" in str(caught.value)


class Other:
    model = first_stage_model = torch.nn.Linear(1, 1)


def test_a_model_or_vae_of_another_kind_is_answered(loaded, portrait, motion):
    with pytest.raises(ValueError, match="'model' is a Linear, needed is a renderer. Connect"):
        render((Other, loaded[1]), portrait, motion)
    with pytest.raises(ValueError, match="'vae' is a Linear, which does not fit this renderer"):
        render((loaded[0], Other), portrait, motion)
    from synchrorama.nodes.render_model import build_vae

    with pytest.raises(ValueError, match="Connect 'vae' of the same Load Renderer"):
        render((loaded[0], build_vae(4)), portrait, motion)


@pytest.mark.parametrize(
    "cut", (slice(0, 5), (slice(None), slice(0, 64)), (..., slice(0, 1))), ids=str
)
def test_frames_of_another_size_or_count_are_answered(loaded, portrait, motion, frames, cut):
    for run in (
        lambda: condition(loaded, portrait, motion, frames[cut]),
        lambda: render(loaded, portrait, motion, frames=frames[cut]),
    ):
        with pytest.raises(ValueError, match=r"'frames' are .* 'motion' has 6 frames and the head"):
            run()


def test_conditions_that_do_not_fit_are_answered(loaded, portrait, motion, conditions):
    audio = {**conditions["audio"], "waveform": conditions["audio"]["waveform"].repeat(1, 1, 2)}
    with pytest.raises(ValueError, match="'audio' lasts 12 frames, 'motion' has 6"):
        render(loaded, portrait, motion, audio=audio)
    with pytest.raises(ValueError, match="'emotion' has 6 frames at 25 fps, 'motion' 6 at 24"):
        render(loaded, portrait, replace(motion, fps=24.0), emotion=conditions["emotion"])
    with pytest.raises(ValueError, match="'scene' is a text, which this renderer reads only enc"):
        render(loaded, portrait, motion, scene="a garden")
    with pytest.raises(ValueError, match=r"'scene' holds tokens of shape \[1, 5, 7\], needed is"):
        render(loaded, portrait, motion, scene=[[torch.zeros(1, 5, 7), {}]])


def test_latents_of_a_wrong_shape_are_answered(loaded, portrait, motion, frames):
    model, positive, negative, latent, _, _ = condition(loaded, portrait, motion, frames)
    for samples in (latent["samples"][:3], latent["samples"][..., :8], torch.zeros(6, 4, 16, 16)):
        with pytest.raises(ValueError, match="'positive' was made for latents of shape"):
            core_nodes.KSampler.execute(
                model, 0, 2, 1.0, "euler", "simple", positive, negative, {"samples": samples}, 0.4
            )


def test_pictures_of_another_clip_are_answered(loaded, portrait, motion, frames):
    mask = condition(loaded, portrait, motion, frames)[4]
    with pytest.raises(ValueError, match="'rendered' is 3 pictures of 32 x 32, needed are 6 squ"):
        SynchroRaMaRenderApply.execute(frames, torch.zeros(3, 32, 32, 3), mask)
    with pytest.raises(ValueError, match=r"'mask' has shape \[6, 64, 64\], 'frames' are \[6, 128"):
        SynchroRaMaRenderApply.execute(frames, torch.zeros(6, 32, 32, 3), mask[:, :64, :64])


def test_a_size_that_does_not_fit_is_answered(loaded, portrait, motion, frames):
    with pytest.raises(ValueError, match="'size' is 65, which 2 does not divide"):
        condition(loaded, portrait, motion, frames, size=65)


def test_memory_that_runs_out_is_answered(loaded, portrait, motion, caplog, monkeypatch):
    model = loaded[0].model
    run = model.apply_model

    def scarce(x, *args, limit=3, **kwargs):
        if len(x) > limit:
            raise torch.cuda.OutOfMemoryError("full")
        return run(x, *args, **kwargs)

    monkeypatch.setattr(model, "apply_model", scarce)
    out, _ = render(loaded, portrait, motion)
    assert out.shape[0] == FRAMES
    assert caplog.text.count("Out of memory with windows of 4 frames") == 1
    monkeypatch.setattr(model, "apply_model", lambda *a, **k: scarce(*a, limit=0, **k))
    with pytest.raises(ValueError, match="Memory is not enough to render 2 frames at once"):
        render(loaded, portrait, motion)
