"""The demo: `python scripts/demo.py` needs Python 3.10 or later and nothing else.

Turns the sample portrait and the sample speech into output/demo.mp4.
"""

from __future__ import annotations

import sys
import time

from bootstrap import ROOT, BootstrapError, run

OUT = ROOT / "output" / "demo.mp4"


def main() -> int:
    """Exit status of talk.py, or 2 when the environment cannot be made."""
    start = time.monotonic()
    samples = ROOT / "workflows"
    arguments = {
        "--portrait": samples / "sample_portrait.png",
        "--audio": samples / "sample_speech.wav",
        "--out": OUT,
    }
    try:
        status = run("talk.py", [str(part) for pair in arguments.items() for part in pair])
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 2
    if status == 0:
        print(f"Demo done in {time.monotonic() - start:.0f} s, installation included: {OUT}")
    return status


if __name__ == "__main__":
    sys.exit(main())
