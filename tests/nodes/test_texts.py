"""Tooltips, help pages and the English locale say the same of every node."""

import json
from pathlib import Path

import pytest
from synchrorama.nodes import NODES

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "locales" / "en" / "nodeDefs.json"
SCHEMAS = [node.define_schema() for node in NODES]


def texts(schema):
    """What a locale file holds of a node."""
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": {one.id: {"name": one.id, "tooltip": one.tooltip} for one in schema.inputs},
        "outputs": {
            str(index): {"name": one.display_name, "tooltip": one.tooltip}
            for index, one in enumerate(schema.outputs)
        },
    }


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.node_id)
def test_every_node_explains_itself(schema):
    stage = schema.category.removeprefix("SynchroRaMa/").split()[1]
    assert schema.node_id.startswith(f"SynchroRaMa{stage.capitalize()}")
    assert schema.description.endswith(".")
    for one in (*schema.inputs, *schema.outputs):
        assert one.tooltip.endswith("."), f"{one.id} has no tooltip"
    page = (ROOT / "web" / "docs" / f"{schema.node_id}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {schema.display_name}\n")
    for name in [one.id for one in schema.inputs] + [one.display_name for one in schema.outputs]:
        assert f"`{name}`" in page, f"the help page does not mention {name}"


def test_locale_is_up_to_date():
    """On failure, write the right-hand side into the file."""
    have = json.loads(LOCALE.read_text(encoding="utf-8"))
    assert have == {schema.node_id: texts(schema) for schema in SCHEMAS}


def test_every_socket_is_explained():
    page = (ROOT / "docs" / "types.md").read_text(encoding="utf-8")
    for schema in SCHEMAS:
        for one in (*schema.inputs, *schema.outputs):
            kind = str(one.io_type)
            assert kind in page or kind in ("INT", "FLOAT", "MASK", "COMBO"), kind
