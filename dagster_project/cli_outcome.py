"""How a command ends, and how it speaks to programs."""

from __future__ import annotations

import json
from typing import Any

DONE, GATE_CLOSED, WRONG_INPUT, OUR_ERROR = 0, 1, 2, 3


def print_json(content: Any) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2, default=str))
