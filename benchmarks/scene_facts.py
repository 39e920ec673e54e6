"""Are a scene's facts true? Pictures changed in a known way, measured again from their pixels.

    python benchmarks/scene_facts.py PICTURE [PICTURE ...] [--count 200] [--out FILE.json]

Each picture is changed in several of the ways of scene_variations.py, all of a strength that an eye
sees at once. Needed: each subject right in 90 %, "share". A variation of which nothing is told
counts against it like one that is told wrongly; "stated" is right over those that were told.

Rows are kept beside the result (.jsonl): an interrupted run goes on where it was. Delete that file
to measure again. Do not develop thresholds on the pictures given here.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, Studio, machine, write_result
from scene_variations import MAKERS, SUBJECTS, ordinary
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.scene.measure import ASTRAY, measure
from synchrorama.models.types import Portrait

NEEDED = 0.9


def judge(
    studio: Studio, pictures: list[Path], count: int, memory: Path
) -> Iterator[dict[str, Any]]:
    """A row for each variation: its kind, the truth, what was told.

    Args:
        studio: Landmarker and head.
        pictures: Each gets its share of what is still to be made.
        count: Variations in all.
        memory: Rows are appended here as they are made, and read from here when it goes on.
    """
    known = _remembered(memory)
    kinds = list(MAKERS)
    subjects = dict.fromkeys(SUBJECTS.values(), 0)
    tallies = dict.fromkeys(kinds, 0)
    done = 0
    for number, path in enumerate(pictures):
        share = math.ceil((count - done) / (len(pictures) - number))
        try:
            portrait = studio.portrait(path)
        except ValueError as error:
            print(f"{path.name}: {error}", flush=True)
            continue
        if not ordinary(portrait):
            print(f"{path.name}: turned away, too small, or its eyes are not seen", flush=True)
            continue
        if studio.landmarker.astray(portrait) > ASTRAY:
            print(f"{path.name}: perhaps no face", flush=True)
            continue
        made = 0
        while made < share and kinds:
            # what was made least often so far comes first
            kind = min(kinds, key=lambda one: (subjects[SUBJECTS[one]], tallies[one]))
            kinds.remove(kind)
            row = known.get((path.stem, kind))
            if row is None:
                row = _judged(studio, path, portrait, kind)
                with memory.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            if row["subject"]:
                made += 1
                tallies[kind] += 1
                subjects[row["subject"]] += 1
                yield row
        done += made
        kinds = list(MAKERS)
        print(f"{path.name}: {made}, {done} in all", flush=True)


def _remembered(memory: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of an earlier run by picture and kind."""
    if not memory.is_file():
        return {}
    rows = [json.loads(line) for line in memory.read_text(encoding="utf-8").splitlines()]
    return {(row["picture"], row["kind"]): row for row in rows}


def _judged(studio: Studio, path: Path, portrait: Portrait, kind: str) -> dict[str, Any]:
    """The row of one variation; its subject is empty where it cannot be made of this picture."""
    row: dict[str, Any] = {"picture": path.stem, "kind": kind, "subject": ""}
    variation = MAKERS[kind](studio, portrait)
    if variation is None:
        return row
    try:
        seen = prepare_portrait(variation.picture, landmarker=studio.landmarker, head=studio.head)
    except ValueError:
        return row  # the change hid the face
    facts = measure(
        portrait=seen,
        head=studio.head,
        astray=studio.landmarker.astray(seen),
        unsteady=studio.landmarker.unsteady(seen),
    )
    told = facts.value(variation.subject)
    why = [fact.measured for fact in facts.facts if fact.subject == variation.subject]
    why += [line for line in facts.remarks if line.startswith(variation.subject)]
    return row | {
        "subject": variation.subject,
        "truth": list(variation.truth),
        "told": told,
        "right": told in variation.truth,
        "measured": "; ".join(why),
    }


def table(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Right, wrong and left out for each kind or subject."""
    out = []
    for name in dict.fromkeys(row[key] for row in rows):
        some = [row for row in rows if row[key] == name]
        right = sum(row["right"] for row in some)
        left_out = sum(not row["told"] for row in some)
        out.append(
            {
                key: name,
                "count": len(some),
                "right": right,
                "wrong": len(some) - right - left_out,
                "left_out": left_out,
                "share": round(right / len(some), 3),
                "stated": round(right / max(len(some) - left_out, 1), 3),
            }
        )
    return out


def main() -> None:
    """Judge the facts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS / "scene_facts.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    memory = arguments.out.with_suffix(".jsonl")
    memory.parent.mkdir(parents=True, exist_ok=True)
    rows = list(judge(Studio(), arguments.pictures, arguments.count, memory))
    subjects = table(rows, "subject")
    for row in subjects:
        print(row)
    for row in rows:
        if not row["right"]:
            print({key: row[key] for key in ("picture", "kind", "told", "measured")})
    write_result(
        arguments.out,
        {
            "machine": machine(),
            "pictures": len({row["picture"] for row in rows}),
            "variations": len(rows),
            "needed": NEEDED,
            "subjects": subjects,
            "kinds": table(rows, "kind"),
        },
    )


if __name__ == "__main__":
    main()
