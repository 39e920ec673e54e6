"""A double of comfy_api.latest.io: the part the pack uses, from ComfyUI's documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class _Typed:
    Parent: Any = None

    @property
    def io_type(self) -> str:
        return self.Parent.io_type


class Input(_Typed):
    def __init__(
        self, id, display_name=None, optional=False, tooltip=None, lazy=None, extra_dict=None
    ):
        self.id, self.display_name, self.optional = id, display_name, optional
        self.tooltip, self.lazy, self.extra_dict = tooltip, lazy, extra_dict or {}


class Output(_Typed):
    def __init__(self, id=None, display_name=None, tooltip=None, is_output_list=False):
        self.id, self.display_name = id, display_name
        self.tooltip, self.is_output_list = tooltip, is_output_list


def Custom(io_type):  # noqa: N802
    made = type("CustomComfyType", (), {"io_type": io_type})
    made.Input = type("Input", (Input,), {"Parent": made})
    made.Output = type("Output", (Output,), {"Parent": made})
    return made


class _NumberInput(Input):
    def __init__(self, id, display_name, optional, tooltip, lazy, default, min, max, step):
        super().__init__(id, display_name, optional, tooltip, lazy)
        self.default, self.min, self.max, self.step = default, min, max, step


Image = Custom("IMAGE")
Mask = Custom("MASK")
Audio = Custom("AUDIO")
Video = Custom("VIDEO")
Int = Custom("INT")
Float = Custom("FLOAT")
String = Custom("STRING")
Boolean = Custom("BOOLEAN")
Combo = Custom("COMBO")


class _IntInput(_NumberInput):
    Parent = Int

    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        min=None,
        max=None,
        step=None,
        control_after_generate=None,
    ):
        super().__init__(id, display_name, optional, tooltip, lazy, default, min, max, step)
        self.control_after_generate = control_after_generate


class _FloatInput(_NumberInput):
    Parent = Float

    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        min=None,
        max=None,
        step=None,
        round=None,
    ):
        super().__init__(id, display_name, optional, tooltip, lazy, default, min, max, step)
        self.round = round


class _StringInput(Input):
    Parent = String

    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        multiline=False,
        placeholder=None,
        default=None,
    ):
        super().__init__(id, display_name, optional, tooltip)
        self.multiline, self.placeholder, self.default = multiline, placeholder, default


class _BooleanInput(Input):
    Parent = Boolean

    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        label_on=None,
        label_off=None,
    ):
        super().__init__(id, display_name, optional, tooltip, lazy)
        self.default, self.label_on, self.label_off = default, label_on, label_off


class _ComboInput(Input):
    Parent = Combo

    def __init__(
        self,
        id,
        options=None,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
    ):
        super().__init__(id, display_name, optional, tooltip, lazy)
        self.options, self.default = options, default


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
