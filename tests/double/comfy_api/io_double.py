"""A double of comfy_api.latest.io: the part the pack uses, from ComfyUI's documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar


class _Typed:
    Parent: ClassVar[Any] = None

    @property
    def io_type(self) -> str:
        return self.Parent.io_type


@dataclass(eq=False)
class _Part(_Typed):
    """What every input has."""

    id: str
    display_name: str | None = None
    optional: bool = False
    tooltip: str | None = None
    lazy: bool | None = None


@dataclass(eq=False)
class Input(_Part):
    extra_dict: dict | None = None


@dataclass(eq=False)
class Output(_Typed):
    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = None
    is_output_list: bool = False


def Custom(io_type):  # noqa: N802
    made = type("CustomComfyType", (), {"io_type": io_type})
    made.Input = type("Input", (Input,), {"Parent": made})
    made.Output = type("Output", (Output,), {"Parent": made})
    return made


Image = Custom("IMAGE")
Mask = Custom("MASK")
Audio = Custom("AUDIO")
Video = Custom("VIDEO")
Int = Custom("INT")
Float = Custom("FLOAT")
String = Custom("STRING")
Boolean = Custom("BOOLEAN")
Combo = Custom("COMBO")
Model = Custom("MODEL")
Vae = Custom("VAE")
Latent = Custom("LATENT")
Conditioning = Custom("CONDITIONING")


class MultiType:
    class Input(Input):
        def __init__(
            self,
            id,
            types,
            display_name=None,
            optional=False,
            tooltip=None,
            lazy=None,
            extra_dict=None,
        ):
            super().__init__(id, display_name, optional, tooltip, lazy, extra_dict)
            self.types = types

        @property
        def io_type(self):
            return ",".join(one.io_type for one in self.types)


@dataclass(eq=False)
class _Widget(_Part):
    """What can be set in the node itself."""

    default: Any = None


@dataclass(eq=False)
class _IntInput(_Widget):
    Parent = Int
    min: int | None = None
    max: int | None = None
    step: int | None = None
    control_after_generate: bool | None = None


@dataclass(eq=False)
class _FloatInput(_Widget):
    Parent = Float
    min: float | None = None
    max: float | None = None
    step: float | None = None
    round: float | None = None


@dataclass(eq=False)
class _StringInput(_Widget):
    Parent = String
    multiline: bool = False
    placeholder: str | None = None


@dataclass(eq=False)
class _BooleanInput(_Widget):
    Parent = Boolean
    label_on: str | None = None
    label_off: str | None = None


@dataclass(eq=False)
class _ComboInput(_Widget):
    Parent = Combo
    options: list | None = None


Int.Input, Float.Input, String.Input = _IntInput, _FloatInput, _StringInput
Combo.Input, Boolean.Input = _ComboInput, _BooleanInput


@dataclass
class Schema:
    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    description: str = ""
    is_output_node: bool = False
    is_experimental: bool = False

    def __post_init__(self):
        """As ComfyUI 0.3.64 does; later ones let an input and an output share an id."""
        ids = [part.id for part in [*self.inputs, *self.outputs] if part.id is not None]
        if len(ids) != len(set(ids)):
            raise ValueError(f"Ids of inputs and outputs must be unique: {ids}.")


class NodeOutput:
    def __init__(self, *args, ui=None):
        self.args, self.ui = args, ui

    @property
    def result(self):
        return self.args if self.args else None


class ComfyNode:
    @classmethod
    def define_schema(cls):
        raise NotImplementedError

    @classmethod
    def execute(cls, **kwargs):
        raise NotImplementedError
