"""Each workflow that ships uses known nodes and inputs, and runs."""

import json
from pathlib import Path

import executor
import folder_paths
import pytest
import torch
from synchrorama.models.checkpoint import save_checkpoint
from synchrorama.models.render.config import TINY
from synchrorama.models.render.unet import UNet
from synchrorama.models.render.weights import FORMAT
from synchrorama.nodes import NODES, host, render, scene_language

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
RENDERER = Path(__file__).parent / "renderer"  # they ship when the renderer's weights do
API = sorted([*(WORKFLOWS / "api").glob("*.json"), *(RENDERER / "api").glob("*.json")])
WIDGETS = ("INT", "FLOAT", "STRING", "COMBO", "BOOLEAN")
UI = sorted([*WORKFLOWS.glob("*.json"), *RENDERER.glob("*.json")])
SCHEMAS = {node.define_schema().node_id: node.define_schema() for node in NODES}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def uses(path, kind):
    return any(node["class_type"] == kind for node in read(path).values())


TALKING = [path for path in API if uses(path, "SaveVideo")]
FEELING = [path for path in API if uses(path, "SynchroRaMaEmotionPlot")]
DESCRIBING = [path for path in API if uses(path, "SynchroRaMaSceneDescribe")]


def test_every_workflow_is_run():
    assert TALKING
    assert FEELING
    assert DESCRIBING
    assert set(API) == {*TALKING, *FEELING, *DESCRIBING}


@pytest.fixture(scope="module", params=TALKING, ids=lambda path: path.stem)
def run(request, tmp_path_factory):
    graph = read(request.param)
    output = str(tmp_path_factory.mktemp("output"))
    for node in graph.values():
        if node["class_type"] == "SynchroRaMaPortraitPrepare":
            node["inputs"]["size"] = 256  # small, to be quick
        if node["class_type"] in ("SynchroRaMaRender", "SynchroRaMaRenderCondition"):
            node["inputs"]["size"] = 64
    weights = tmp_path_factory.mktemp("weights") / "renderer.safetensors"
    untrained = {
        f"denoiser.{key}": value for key, value in UNet(TINY.denoiser).state_dict().items()
    }
    save_checkpoint(
        weights, untrained, format=FORMAT, config=TINY.to_json(), source="test", licence="CC0-1.0"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_paths, "get_output_directory", lambda: output)
        patch.setattr(render, "BUILTIN_FILE", weights)
        return graph, executor.run(graph, NODES, WORKFLOWS)


def test_workflow_makes_a_video(run):
    graph, results = run
    saved = [results[key] for key, node in graph.items() if node["class_type"] == "SaveVideo"]
    assert saved
    for (video,) in saved:
        seconds = video["audio"]["waveform"].shape[-1] / video["audio"]["sample_rate"]
        assert video["images"].shape[0] == -int(-seconds * video["fps"] // 1)
        assert video["images"].shape[-1] == 3
        assert 0.0 <= video["images"].min()
        assert video["images"].max() <= 1.0


def test_audio_leaves_as_it_came(run):
    graph, results = run
    kinds = {node["class_type"]: results[key] for key, node in graph.items()}
    loaded = kinds["LoadAudio"][0] if "LoadAudio" in kinds else kinds["GetVideoComponents"][1]
    saved = kinds["SaveVideo"][0]["audio"]
    assert torch.equal(saved["waveform"], loaded["waveform"])
    assert saved["sample_rate"] == loaded["sample_rate"]


def test_picture_keeps_its_size_and_the_face_moves(run):
    graph, results = run
    loaded = [results[key] for key, node in graph.items() if node["class_type"] == "LoadImage"]
    saved = [results[key] for key, node in graph.items() if node["class_type"] == "SaveVideo"]
    picture, images = loaded[0][0], saved[0][0]["images"]
    assert images.shape[1:] == picture.shape[1:]
    assert (images[0] - images[-1]).abs().max() > 0.02


@pytest.fixture(scope="module", params=FEELING, ids=lambda path: path.stem)
def felt(request):
    graph = read(request.param)
    return graph, executor.run(graph, NODES, WORKFLOWS)


def results_of(felt, kind):
    graph, results = felt
    return [results[key] for key, node in graph.items() if node["class_type"] == kind]


def test_emotion_is_estimated_for_every_frame(felt):
    ((audio,),) = results_of(felt, "LoadAudio")
    frames = -int(-audio["waveform"].shape[-1] / audio["sample_rate"] * 25 // 1)
    kinds = ("FromText", "FromSpeech", "ValenceArousal", "Fuse", "Direct")
    for kind in kinds:
        ((emotion, *_),) = results_of(felt, f"SynchroRaMaEmotion{kind}")
        assert emotion.scores.shape == (frames, 8), kind
        assert torch.allclose(emotion.scores.sum(1), torch.ones(frames), atol=1e-4), kind
        assert (emotion.embedding.norm(dim=1) > 0).all(), kind


def test_a_direction_changes_the_estimate_and_its_plot(felt):
    ((fused, report),) = results_of(felt, "SynchroRaMaEmotionFuse")
    ((directed,),) = results_of(felt, "SynchroRaMaEmotionDirect")
    assert report.endswith(".")
    assert not torch.equal(fused.scores, directed.scores)
    plots = [plot for plot, _ in results_of(felt, "SynchroRaMaEmotionPlot")]
    assert all(plot.shape == (1, 768, 1024, 3) for plot in plots)
    assert not torch.equal(*plots)


class Dreamer:
    """In place of a language model: it invents."""

    name, sees, model = "dreamer", False, torch.nn.Linear(1, 1)

    def answer(self, *_, **__):
        return "PROMPT: a dragon, eyes open, light from the right, blurred background, surprised"


@pytest.fixture(scope="module", params=DESCRIBING, ids=lambda path: path.stem)
def described(request):
    graph = read(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene_language, "load_language_model", lambda path, dtype: Dreamer())
        patch.setattr(host, "language_model", Path)
        return graph, executor.run(graph, NODES, WORKFLOWS)


def test_a_scene_is_described_and_nothing_invented(described):
    graph, results = described
    kinds = ("SynchroRaMaSceneDescribe", "SynchroRaMaSceneParse")
    scenes = [results[key] for key, node in graph.items() if node["class_type"] in kinds]
    for scene, prompt, negative, _, report in scenes:
        assert scene.prompt == prompt
        assert "eyes" in prompt.lower()
        assert "dragon" not in prompt
        assert "umbrella" not in prompt
        assert negative
        assert "confidence" in report
    encoded = [
        results[key] for key, node in graph.items() if node["class_type"] == "CLIPTextEncode"
    ]
    assert [one[0][0][0] for one in encoded] in ([], list(scenes[0][1:3]))


@pytest.mark.parametrize("path", UI, ids=lambda path: path.stem)
def test_ui_workflow_is_up_to_date(path):
    """Nodes, inputs, widgets and outputs are those of today's schemas."""
    shipped = path.parent == WORKFLOWS
    assert not shipped or any(path.with_suffix(kind).is_file() for kind in (".jpg", ".png"))
    ours = [node for node in read(path)["nodes"] if node["type"].startswith("SynchroRaMa")]
    assert ours
    for node in ours:
        schema = SCHEMAS[node["type"]]
        connected = {one["name"] for one in node["inputs"]}
        assert connected <= {one.id for one in schema.inputs}
        kinds = [str(one.io_type) for one in schema.outputs]
        assert [one["type"] for one in node["outputs"]] == kinds
        widgets = [one for one in schema.inputs if str(one.io_type) in WIDGETS]
        assert connected | {one.id for one in widgets} == {one.id for one in schema.inputs}
        extra = sum(bool(getattr(one, "control_after_generate", False)) for one in widgets)
        assert len(node.get("widgets_values", [])) == len(widgets) + extra


@pytest.mark.parametrize("path", UI, ids=lambda path: path.stem)
def test_ui_workflow_has_an_api_twin(path):
    """The same nodes, however often, in both formats."""
    twin = read(path.parent / "api" / path.name)
    ui = [
        node["type"] for node in read(path)["nodes"] if node["type"] not in ("Note", "MarkdownNote")
    ]
    assert sorted(ui) == sorted(node["class_type"] for node in twin.values())
