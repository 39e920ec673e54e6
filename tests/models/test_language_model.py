"""Tiny random models in the layout of the hub, made here: nothing is downloaded."""

import json
import logging
import sys

import pytest
import torch
from synchrorama.models.checkpoint import CheckpointError
from synchrorama.models.scene.language_model import _Draw, load_language_model

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE{% else %}"
    "{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<end>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<pad>", "<end>", "<|user|>", "<|assistant|>"]


def make_tokenizer(extra=(), template=TEMPLATE, named=None):
    letters = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {one: i for i, one in enumerate([*SPECIAL, *extra, *sorted(letters)])}
    raw = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = tokenizers.decoders.ByteLevel()
    raw.add_special_tokens([*SPECIAL, *extra])
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        eos_token="<end>",
        extra_special_tokens=named or list(extra),
    )
    made.chat_template = template
    return made


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llm") / "tiny-llama"
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=2048,
        eos_token_id=1, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(text_folder):
    return load_language_model(text_folder, torch.float32)


def ask(model, **changes):
    options = {"seed": 3, "temperature": 1.0, "tokens": 12} | changes
    return model.answer("You write.", ["Facts", "PROMPT: sad", "More facts"], **options)


def test_a_folder_answers(model):
    assert not model.sees
    assert model.name == "tiny-llama"
    assert isinstance(ask(model), str)


def test_the_seed_chooses_the_words_and_nothing_else_is_drawn_from(model):
    before = torch.random.get_rng_state()
    one = ask(model, seed=1)
    assert one == ask(model, seed=1)
    assert one != ask(model, seed=2)
    assert ask(model, seed=1, temperature=0.0) == ask(model, seed=2, temperature=0.0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_chat_template_is_respected(model, monkeypatch):
    seen = []
    monkeypatch.setattr(
        model.model, "generate", lambda input_ids, **_: seen.append(input_ids) or input_ids
    )
    ask(model)
    text = model.processor.decode(seen[0][0])
    assert text.startswith("<|user|>You write.\n\nFacts<end><|assistant|>PROMPT: sad<end>")
    assert text.endswith("<|user|>More facts<end><|assistant|>")


def test_progress_is_told_and_what_it_raises_stops(model):
    steps = []
    ask(model, tokens=5, on_step=lambda step, steps_: steps.append((step, steps_)))
    assert steps[0] == (1, 5)
    assert len(steps) <= 5

    def cancel(step, steps_):
        if step == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        ask(model, tokens=50, on_step=cancel)


def test_an_answer_that_never_ends_is_cut(model):
    model.model.generation_config.eos_token_id = None
    text = ask(model, tokens=30, temperature=0.0)
    assert len(model.processor(text)["input_ids"]) <= 31


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"temperature": 3.0}, "'temperature' is 3. Use a value from 0 to 2."),
        ({"tokens": 0}, "'answer_tokens' is 0. Use 1 to 4096."),
        ({"tokens": 2040}, "but 'tiny-llama' has room for 2048"),
    ],
)
def test_values_out_of_range_are_answered(model, options, why):
    with pytest.raises(ValueError, match=why):
        ask(model, **options)


def test_words_are_drawn_as_likely_as_they_are():
    draw = _Draw(1.0, torch.Generator().manual_seed(0))
    scores = torch.tensor([[2.0, 1.0, 0.0, -9.0]])
    drawn = torch.cat([draw(None, scores).argmax(-1) for _ in range(3000)])
    share = torch.bincount(drawn, minlength=4) / 3000
    assert share[3] == 0  # beyond the likeliest 95 %
    assert torch.allclose(share[:3], scores[0, :3].softmax(-1), atol=0.03)


def test_a_model_without_a_chat_template_goes_on_with_the_text(tmp_path, text_folder):
    folder = tmp_path / "base"
    transformers.LlamaForCausalLM.from_pretrained(text_folder).save_pretrained(folder)
    make_tokenizer(template=None).save_pretrained(folder)
    base = load_language_model(folder, torch.float32)
    assert isinstance(ask(base), str)


def write(folder, config, weights="model.safetensors"):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if weights:
        (folder / weights).write_bytes(b"broken")
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("kinds", "weights", "why"),
    [
        (["BertForSequenceClassification"], "model.safetensors", "needed is a language model"),
        (["T5ForConditionalGeneration"], "model.safetensors", "needed is a language model"),
        ([], "model.safetensors", "a model of no name"),
        (["LlamaForCausalLM"], "pytorch_model.bin", "pickled weights"),
        (["LlamaForCausalLM"], None, "holds no model.safetensors"),
        (["LlamaForCausalLM"], "model.safetensors", "cannot be loaded"),
    ],
)
def test_other_folders_are_answered(tmp_path, kinds, weights, why):
    config = {"architectures": kinds, "model_type": "llama"}
    with pytest.raises(CheckpointError, match=why):
        load_language_model(write(tmp_path / "x", config, weights), torch.float32)


def test_a_folder_without_tokenizer_is_answered(tmp_path):
    folder = write(tmp_path / "x", {"architectures": ["LlamaForCausalLM"]})
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="'x' has no tokenizer"):
        load_language_model(folder, torch.float32)


def test_a_folder_that_lacks_weights_is_answered(tmp_path, text_folder):
    from safetensors.torch import load_file, save_file

    for file in text_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    logging.disable(logging.WARNING)
    with pytest.raises(CheckpointError, match="lacks 1 weights of LlamaForCausalLM, first model"):
        load_language_model(tmp_path, torch.float32)
    logging.disable(logging.NOTSET)


def test_gguf_files_that_cannot_be_read_are_answered(tmp_path):
    with pytest.raises(CheckpointError, match=r"'x.gguf' does not exist"):
        load_language_model(tmp_path / "x.gguf", torch.float32)
    (tmp_path / "x.gguf").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match=r"'x.gguf' is not a GGUF file"):
        load_language_model(tmp_path / "x.gguf", torch.float32)


def test_gguf_without_its_packages_is_answered(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(CheckpointError, match="'pip install transformers gguf accelerate'"):
        load_language_model(tmp_path / "x.gguf", torch.float32)


def make_smolvlm(folder):
    """SmolVLM: SigLIP, a pixel shuffle and a Llama."""
    extra = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>",
             *(f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)))  # fmt: skip
    tokenizer = make_tokenizer(extra, TEMPLATE.replace("IMAGE", "<image>"))
    tokenizer.image_token = "<image>"
    config = transformers.SmolVLMConfig(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        vision_config={"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
                       "num_attention_heads": 2, "image_size": 32, "patch_size": 8},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": 16,
                     "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                     "num_key_value_heads": 1, "max_position_embeddings": 4096,
                     "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1},
    )  # fmt: skip
    transformers.SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    pictures = transformers.SmolVLMImageProcessor(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    transformers.SmolVLMProcessor(
        pictures, tokenizer, transformers.SmolVLMVideoProcessor(), image_seq_len=4,
        chat_template=tokenizer.chat_template,
    ).save_pretrained(folder)  # fmt: skip


def make_gemma3(folder):
    """Gemma 3: SigLIP, pooled patches and a Gemma whose picture tokens see each other."""
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>",
             "eoi_token": "<end_of_image>"}  # fmt: skip
    template = TEMPLATE.replace("IMAGE", "<start_of_image>")
    tokenizer = make_tokenizer(tuple(named.values()), template, named)
    config = transformers.Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", "hidden_size": 16,
                       "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 8, "vision_use_head": False},
        text_config={"vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 32,
                     "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                     "head_dim": 8, "max_position_embeddings": 4096, "pad_token_id": 0,
                     "eos_token_id": 1, "bos_token_id": 1},
        mm_tokens_per_image=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
    )  # fmt: skip
    transformers.Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    pictures = transformers.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    transformers.Gemma3Processor(
        pictures, tokenizer, image_seq_length=4, chat_template=tokenizer.chat_template
    ).save_pretrained(folder)


def make_llava(folder):
    """LLaVA: CLIP's picture encoder, a projector and a Llama."""
    tokenizer = make_tokenizer(("<image>",), TEMPLATE.replace("IMAGE", "<image>"))
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", "hidden_size": 16,
                       "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 8, "projection_dim": 16},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": 16,
                     "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                     "num_key_value_heads": 1, "max_position_embeddings": 4096,
                     "pad_token_id": 0, "eos_token_id": 1},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    pictures = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    transformers.LlavaProcessor(
        pictures, tokenizer, patch_size=8, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=tokenizer.chat_template,
    ).save_pretrained(folder)  # fmt: skip


@pytest.mark.parametrize(
    "make", [make_smolvlm, make_llava, make_gemma3], ids=["SmolVLM", "LLaVA", "Gemma 3"]
)
def test_vision_language_models_look_at_the_picture(tmp_path, make):
    torch.manual_seed(0)
    folder = tmp_path / make.__name__
    try:
        make(folder)
    except ImportError as error:
        pytest.skip(f"transformers needs more for this architecture: {error}")
    model = load_language_model(folder, torch.float32)
    assert model.sees
    pictures = [torch.zeros(40, 30, 3), torch.rand(40, 30, 3)]
    answers = [ask(model, image=one, tokens=24, temperature=0.0) for one in pictures]
    assert answers[0] == ask(model, image=pictures[0], tokens=24, temperature=0.0)
    looked = []
    eyes = next(
        module
        for name, module in model.model.named_modules()
        if name.endswith(("vision_tower", "vision_model"))
    )
    handle = eyes.register_forward_hook(lambda *_: looked.append(True))
    ask(model, image=pictures[1], tokens=2)
    assert looked
    handle.remove()
    assert isinstance(ask(model, tokens=4), str)  # without a picture
