"""One YAML file as one declaration: strict, and with a plain word for every mistake.

Reads  the files it is given. Writes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dagster_project import strict_yaml
from dagster_project.declarations.base import Declared, Mistake
from dagster_project.settings import Project

AnyDeclared = TypeVar("AnyDeclared", bound=Declared)


def read_folder(
    folder: Path, model: type[AnyDeclared], project: Project, mistakes: list[Mistake]
) -> dict[str, AnyDeclared]:
    """Every file of a folder by its name; what is wrong goes into `mistakes`."""
    found: dict[str, AnyDeclared] = {}
    for path in sorted(folder.glob("*.yml")):
        item = read_file(path, model, project, mistakes, identity=path.stem)
        if item is not None:
            found[path.stem] = item
    return found


def read_file(
    path: Path, model: type[AnyDeclared], project: Project, mistakes: list[Mistake], identity: str
) -> AnyDeclared | None:
    """One file as one declaration, or None and its mistakes; its id is the file's (or folder's) name."""
    file = str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
    try:
        content = strict_yaml.load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        mistakes.append(Mistake(file, "", "the file is not UTF-8: save it again as UTF-8"))
        return None
    except OSError as error:
        mistakes.append(Mistake(file, "", f"the file cannot be read: {error.strerror}"))
        return None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else ""
        mistakes.append(Mistake(file, place, str(getattr(error, "problem", None) or error)))
        return None
    except (
        ValueError,
        LookupError,
    ) as error:  # a value that is not what it looks like, e.g. the date 2021-02-30
        mistakes.append(Mistake(file, "", f"a value or date cannot be: {error}"))
        return None
    if not isinstance(content, dict):
        mistakes.append(Mistake(file, "", "the file must hold keys and values"))
        return None
    if content.setdefault("id", identity) != identity:
        mistakes.append(Mistake(file, "id", f"must be {identity!r}, the file's own name, or be left out"))
        return None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        mistakes.extend(_mistake(file, model, item) for item in error.errors())
        return None


def _mistake(file: str, model: type[Declared], error: Any) -> Mistake:
    key = ".".join(str(part) for part in error["loc"])
    kind, found = error["type"], error.get("input")
    if kind == "extra_forbidden":
        allowed = ", ".join(sorted(_fields_at(model, error["loc"][:-1])))
        return Mistake(file, key, f"there is no such key; allowed here: {allowed}. Remove it or mend its name")
    if kind == "missing":
        return Mistake(file, key, "this key is missing: add it")
    if kind == "literal_error":
        return Mistake(file, key, f"{found!r} is not allowed; allowed: {error['ctx']['expected']}")
    message = error["msg"].removeprefix("Value error, ")
    return Mistake(file, key, message if isinstance(found, dict) else f"{found!r}: {message}")


def _fields_at(model: Any, location: tuple[Any, ...]) -> set[str]:
    """The keys allowed at a place inside a model; list positions and free keys do not lead deeper."""
    for part in location:
        if part in model.model_fields:
            model = _inner_model(model.model_fields[part].annotation) or model
    return set(model.model_fields)


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and not getattr(annotation, "__args__", None):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return None
