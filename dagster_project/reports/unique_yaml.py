"""YAML in which a key given twice is an error instead of the last one winning. Reads and writes no files."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml


class _UniqueKeyLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f'key "{key}" is given twice', node.start_mark)
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """The content of a YAML text; raises yaml.YAMLError, also for a key given twice."""
    return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader that is stricter still
