"""Are a scene's facts true? Pictures changed in a known way, and speech with known pauses.

    python benchmarks/scene_facts.py PICTURE [PICTURE ...] [--count 200] [--out FILE.json]

Each picture is changed in several of the ways of scene_variations.py, prepared and measured again
from the pixels alone. For each way: how many facts were right, wrong, or left out because they
were too close to call. "share" is right over all, "stated" right over those that were told. Needed:
90 %.

Do not develop thresholds on the pictures given here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, Studio, machine, write_result
from scene_variations import MAKERS
from synchrorama.models.media import read_image
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.scene.measure import measure

NEEDED = 0.9


def judge(studio: Studio, pictures: list[Path], count: int) -> list[dict[str, Any]]:
    """A row for each variation: its kind, the truth, what was told."""
    rows: list[dict[str, Any]] = []
    kinds = list(MAKERS)
    tallies = dict.fromkeys(kinds, 0)
    share = -(-count // len(pictures))
    for number, path in enumerate(pictures):
        try:
            portrait = prepare_portrait(
                read_image(path), landmarker=studio.landmarker, head=studio.head
            )
        except ValueError as error:
            print(f"{path.name}: {error}", flush=True)
            continue
        made = 0
        # the kinds that were made least often so far come first
        for kind in sorted(kinds, key=lambda one: (tallies[one], (kinds.index(one) + number) % 7)):
            if made >= share + 1:
                break
            try:
                variation = MAKERS[kind](studio, portrait)
                if variation is None:
                    continue
                seen = prepare_portrait(
                    variation.picture, landmarker=studio.landmarker, head=studio.head
                )
            except ValueError:
                continue  # the change hid the face
            facts = measure(portrait=seen, head=studio.head)
            told = facts.value(variation.subject)
            made += 1
            tallies[kind] += 1
            rows.append(
                {
                    "picture": path.stem,
                    "kind": kind,
                    "subject": variation.subject,
                    "truth": list(variation.truth),
                    "told": told,
                    "right": told in variation.truth,
                    "measured": next(
                        (f.measured for f in facts.facts if f.subject == variation.subject), ""
                    ),
                }
            )
        print(f"{path.name}: {made}, {len(rows)} in all", flush=True)
    return rows


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
    rows = judge(Studio(), arguments.pictures, arguments.count)
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
