"""A small executor of API workflows: ComfyUI's validation rules, then each node once."""

from __future__ import annotations

from pathlib import Path

import core_nodes
import torch


class RefusedError(ValueError):
    """The workflow would not be queued."""


def _validate(graph, classes):
    for name, node in graph.items():
        kind = node["class_type"]
        if kind not in classes:
            raise RefusedError(f"{name}: no node {kind}")
        inputs = {one.id: one for one in classes[kind].define_schema().inputs}
        if unknown := node["inputs"].keys() - inputs.keys():
            raise RefusedError(f"{name} {kind}: unknown inputs {sorted(unknown)}")
        for key, one in inputs.items():
            if key not in node["inputs"]:
                if not one.optional:
                    raise RefusedError(f"{name} {kind}: input {key} is missing")
                continue
            _validate_value(graph, classes, f"{name} {kind}.{key}", one, node["inputs"][key])


def _validate_value(graph, classes, where, one, value):
    if isinstance(value, list):
        source, slot = value
        given = classes[graph[source]["class_type"]].define_schema().outputs[slot].io_type
        if str(given) not in str(one.io_type).split(",") and one.io_type != "*":
            raise RefusedError(f"{where}: {given} connected to {one.io_type}")
        return
    if one.io_type not in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"):
        raise RefusedError(f"{where}: {one.io_type} needs a connection")
    low, high = getattr(one, "min", None), getattr(one, "max", None)
    if (low is not None and value < low) or (high is not None and value > high):
        raise RefusedError(f"{where}: {value} is not in {low}..{high}")


def run(graph, nodes, input_folder: Path):
    """What each node of an API workflow returned, by its key in the workflow."""
    classes = {one.define_schema().node_id: one for one in (*core_nodes.NODES, *nodes)}
    for one in (core_nodes.LoadImage, core_nodes.LoadAudio, core_nodes.LoadVideo):
        one.INPUT = input_folder
    _validate(graph, classes)
    results = {}

    def result(name):
        if name not in results:
            inputs = {
                key: result(value[0])[value[1]] if isinstance(value, list) else value
                for key, value in graph[name]["inputs"].items()
            }
            with torch.inference_mode():
                output = classes[graph[name]["class_type"]].execute(**inputs)
            results[name] = output.result
        return results[name]

    for name in graph:
        result(name)
    return results
