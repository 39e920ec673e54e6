"""Language models from the user's folders, and vision-language models among them.

Folders as the Hugging Face hub gives them (config.json beside safetensors), or single GGUF files,
both through transformers. GGUF weights are unpacked while loading: they need as much memory as the
unpacked model.

Shapes: B = 1 sequence, L tokens so far, V words of the vocabulary.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoint import CheckpointError
from ..huggingface import read_config

OnStep = Callable[[int, int], None]
TOP_P = 0.95  # of the probability: less likely words are never drawn
LARGEST = 768  # px, longer side of the picture that a vision-language model is shown

_NO_TRANSFORMERS = (
    "Language models need the package transformers, which is not installed. Run 'pip install "
    "transformers' in ComfyUI's Python, or connect no 'llm'."
)


class LanguageModel:
    """A model that answers."""

    def __init__(self, model: nn.Module, processor: Any, name: str, *, sees: bool) -> None:
        """Args: model: Of transformers. processor: Its tokenizer or processor. name: Told."""
        self.model = model
        self.processor = processor
        self.name = name
        self.sees = sees  # whether it looks at pictures

    @torch.no_grad()
    def answer(
        self,
        role: str,
        turns: Sequence[str],
        *,
        image: Tensor | None = None,
        seed: int,
        temperature: float,
        tokens: int,
        on_step: OnStep | None = None,
    ) -> str:
        """What the model answers to the last turn.

        Args:
            role: What the model is told to be.
            turns: The user's and the model's, in turn; the last one is the user's.
            image: [H, W, 3] 0..1, shown with the last turn if the model looks at pictures.
            seed: Chooses the words.
            temperature: 0 takes the likeliest word each time, 1 draws them as they are likely.
            tokens: The answer stops there.
            on_step: Called with the tokens so far and `tokens`, to show progress or to stop.

        Raises:
            ValueError: The request does not fit into the model, or a value is out of range.
        """
        from transformers import LogitsProcessorList, StoppingCriteriaList

        if not 0.0 <= temperature <= 2.0:
            raise ValueError(f"'temperature' is {temperature:g}. Use a value from 0 to 2.")
        if not 1 <= tokens <= 4096:
            raise ValueError(f"'answer_tokens' is {tokens}. Use 1 to 4096.")
        inputs = self._inputs(role, turns, image if self.sees else None)
        start = int(inputs["input_ids"].shape[1])
        room = _room(self.model)
        if room and start + tokens > room:
            raise ValueError(
                f"The request has {start} tokens and the answer may have {tokens}, but "
                f"'{self.name}' has room for {room}. Use fewer 'answer_tokens', a shorter 'text', "
                "or another model."
            )
        draw = _Draw(temperature, torch.Generator().manual_seed(seed))
        watch = _Watch(start, tokens, on_step)
        out = self.model.generate(  # type: ignore[operator]
            **inputs,
            max_new_tokens=tokens,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=_ending(self.model, self._tokenizer),
            logits_processor=LogitsProcessorList([draw]),
            stopping_criteria=StoppingCriteriaList([watch]),
        )
        text: str = self._tokenizer.decode(out[0, start:], skip_special_tokens=True)
        return text.strip()

    @property
    def _tokenizer(self) -> Any:
        return getattr(self.processor, "tokenizer", self.processor)

    def _inputs(self, role: str, turns: Sequence[str], image: Tensor | None) -> dict[str, Any]:
        """The request in the form of the model's own chat template, on the model's device."""
        device = next(self.model.parameters()).device
        tokenizer = self._tokenizer
        template = getattr(self.processor, "chat_template", None) or tokenizer.chat_template
        chat: list[dict[str, Any]] = []
        for i, turn in enumerate(turns):
            speaker = "user" if i % 2 == 0 else "assistant"
            text = f"{role}\n\n{turn}" if i == 0 else turn
            content: Any = text
            if self.sees:
                content = [{"type": "text", "text": text}]
                if image is not None and i == len(turns) - 1:
                    content.insert(0, {"type": "image"})
            chat.append({"role": speaker, "content": content})
        if not template:  # a model that was never taught to chat goes on with a text
            text = "\n\n".join([role, *turns, "PROMPT:"])
        elif self.sees:
            text = self.processor.apply_chat_template(chat, add_generation_prompt=True)
        else:
            text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        if self.sees:
            pictures = [_picture(image)] if image is not None else None
            coded = self.processor(text=[text], images=pictures, return_tensors="pt")
        else:
            coded = tokenizer([text], return_tensors="pt", add_special_tokens=not template)
        if "token_type_ids" not in inspect.signature(self.model.forward).parameters:
            coded.pop("token_type_ids", None)
        kind = next(self.model.parameters()).dtype
        return {
            key: value.to(device, kind) if value.is_floating_point() else value.to(device)
            for key, value in coded.items()
        }


def load_language_model(path: Path, dtype: torch.dtype) -> LanguageModel:
    """The model in a folder or a GGUF file, on the CPU, for inference.

    Args:
        path: A folder with config.json, or a file .gguf.
        dtype: Of its weights in memory.

    Raises:
        CheckpointError: It is incomplete, pickled, not a language model, or cannot be read;
            transformers or gguf are not installed.
    """
    return _from_gguf(path, dtype) if path.suffix == ".gguf" else _from_folder(path, dtype)


def _from_folder(folder: Path, dtype: torch.dtype) -> LanguageModel:
    config = read_config(folder)
    kinds = [str(kind) for kind in config.get("architectures") or []]
    sees = "vision_config" in config and any("ForConditionalGeneration" in one for one in kinds)
    if not sees and not any(kind.endswith(("ForCausalLM", "LMHeadModel")) for kind in kinds):
        raise CheckpointError(
            f"'{folder.name}' holds {', '.join(kinds) or 'a model of no name'}, needed is a "
            "language model (…ForCausalLM) or a vision-language model (…ForConditionalGeneration "
            "with a vision_config). Choose another folder."
        )
    try:
        from transformers import (
            AutoModelForCausalLM,
            AutoModelForImageTextToText,
            AutoProcessor,
            AutoTokenizer,
        )
    except ImportError as error:
        raise CheckpointError(_NO_TRANSFORMERS) from error
    if not any(next(folder.glob(f), None) for f in ("tokenizer.json", "vocab.json", "*.model")):
        raise CheckpointError(
            f"'{folder.name}' has no tokenizer. Put tokenizer.json and tokenizer_config.json from "
            "the model's page beside its weights."
        )
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    model_class: Any = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    try:
        model, info = model_class.from_pretrained(
            str(folder), use_safetensors=True, dtype=dtype, output_loading_info=True, **options
        )
        maker: Any = AutoProcessor if sees else AutoTokenizer
        processor = maker.from_pretrained(str(folder), **options)
    except Exception as error:  # transformers raises what its many parts raise
        raise CheckpointError(_cannot(folder, error)) from error
    wrong = sorted({*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])})
    if wrong:
        raise CheckpointError(
            f"'{folder.name}' lacks {len(wrong)} weights of {type(model).__name__}, first "
            f"{', '.join(wrong[:5])}. Get all of its files."
        )
    return LanguageModel(_ready(model), processor, folder.name, sees=sees)


def _from_gguf(path: Path, dtype: torch.dtype) -> LanguageModel:
    if not path.is_file():
        raise CheckpointError(f"'{path.name}' does not exist. Choose another model.")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise CheckpointError(
                f"'{path.name}' is not a GGUF file, or was cut short. Get it again."
            )
    try:
        import accelerate  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
        import gguf  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise CheckpointError(
            f"'{path.name}' needs the packages transformers, gguf and accelerate. Run 'pip install "
            "transformers gguf accelerate' in ComfyUI's Python, or choose a folder with "
            "safetensors."
        ) from error
    options: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    try:
        model = AutoModelForCausalLM.from_pretrained(str(path.parent), dtype=dtype, **options)
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **options)
    except Exception as error:  # transformers raises what its many parts raise
        raise CheckpointError(_cannot(path, error)) from error
    return LanguageModel(_ready(model), tokenizer, path.stem, sees=False)


def _ready(model: Any) -> nn.Module:
    ready: nn.Module = model.train(False).requires_grad_(False)
    return ready


def _cannot(path: Path, error: Exception) -> str:
    reason = re.sub(r"\s+", " ", str(error) or type(error).__name__)[:200]
    return f"'{path.name}' cannot be loaded ({reason}). Get it again, or choose another model."


def _room(model: Any) -> int:
    config = getattr(model.config, "text_config", model.config)
    return int(getattr(config, "max_position_embeddings", 0) or 0)


def _ending(model: Any, tokenizer: Any) -> int:
    """The token with which answers are filled up."""
    for owner in (tokenizer, model.generation_config):
        for name in ("pad_token_id", "eos_token_id"):
            value = getattr(owner, name, None)
            if isinstance(value, list):
                value = value[0] if value else None
            if value is not None:
                return int(value)
    return 0


def _picture(image: Tensor) -> Any:
    """A PIL picture of [H, W, 3] 0..1, its longer side at most LARGEST."""
    from PIL import Image

    array = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    picture = Image.fromarray(array)
    picture.thumbnail((LARGEST, LARGEST))
    return picture


class _Draw:
    """Draws each word from our own generator: the largest of logits plus Gumbel noise.

    Source: Maddison et al., "A* Sampling" (arXiv 1411.0030), the Gumbel-max trick.
    """

    def __init__(self, temperature: float, generator: torch.Generator) -> None:
        self.temperature = temperature
        self.generator = generator

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [B, V] whose largest is the word that was drawn."""
        if self.temperature == 0.0:
            return scores
        logits = scores.float().cpu() / self.temperature
        ranked, order = logits.sort(dim=-1, descending=True)
        chance = ranked.softmax(-1)
        rare = chance.cumsum(-1) - chance > TOP_P
        ranked = ranked.masked_fill(rare, -torch.inf)
        logits = torch.full_like(logits, -torch.inf).scatter(-1, order, ranked)
        noise = torch.rand(logits.shape, generator=self.generator).clamp_min(1e-20)
        return (logits - (-noise.log()).log()).to(scores.device)


class _Watch:
    """Tells the progress after each word; what it calls may raise to stop."""

    def __init__(self, start: int, tokens: int, on_step: OnStep | None) -> None:
        self.start, self.tokens, self.on_step = start, tokens, on_step

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Tensor:
        """Never stops by itself, [B] bool."""
        if self.on_step:
            self.on_step(int(input_ids.shape[1]) - self.start, self.tokens)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)
