"""YAML in which a key given twice is an error instead of the last one winning.

Reads  the text it is given. Writes nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable
from typing import Any

import yaml


class _StrictLoader(yaml.CSafeLoader):
    """A YAML loader that refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    "a list or mapping cannot be a key: put a text with braces or brackets in quotation marks",
                    key_node.start_mark,
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key!r} stands here a second time: keep one of the two",
                    key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """The content of a YAML text, every letter and its accent as one sign.

    Raises `yaml.YAMLError`, also for a key given twice.
    """
    composed = unicodedata.normalize("NFC", text)
    return yaml.load(composed, Loader=_StrictLoader)  # noqa: S506  (a safe loader, only stricter)
