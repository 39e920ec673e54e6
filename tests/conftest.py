"""Makes the pack importable as `synchrorama` from a folder of any name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from bootstrap import alias_pack  # noqa: E402

alias_pack()
