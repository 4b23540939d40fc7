"""YAML files of a run: read with bounds, each key once, plain values only."""

import os
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from cisweep.errors import ConfigError
from cisweep.textfile import open_text

MAX_LETTERS = 10_000_000
"""Longest file that is read: far above any config, far below what would take minutes."""
MAX_DEPTH = 50
"""How deep lists and mappings may stand within each other."""
MAX_VALUES = 200_000
"""Values of a config, those behind each alias counted each time."""

_PLAIN = (str, bool, int, float, date, type(None))


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, as safe_load gives it.

    Raises ConfigError for a file that cannot be read, is longer than MAX_LETTERS, is no YAML, has a
    key twice in one mapping, or holds what `check_values` refuses.
    """
    text = _text(path)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _check_keys(node, path)
        data = None if node is None else loader.construct_document(node)
    except ConfigError:
        raise
    except RecursionError:
        raise _too_deep(path) from None
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(
            f"not readable YAML ({said})",
            where=str(path),
            mend="correct the file at that line and column",
        ) from None
    check_values(data, str(path))
    return data


def check_repeated_keys(path: Path) -> None:
    """Raise ConfigError if a key stands twice in one mapping of a YAML or JSON file.

    For files that Snakemake has read, which takes the last; what it could not read it has told.
    """
    if not os.path.isfile(path):
        return
    try:
        node = yaml.compose(_text(path), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    _check_keys(node, path)


def check_values(data: Any, where: str) -> None:
    """Raise ConfigError for values that no key of a config takes.

    These are values inside themselves (YAML aliases), more than MAX_DEPTH deep or more than
    MAX_VALUES in all; YAML's sets and binary data; texts that no file name can hold.
    """
    for n, (key, value) in enumerate(_walk(data, (), where)):
        place = ".".join(key)
        if n >= MAX_VALUES:
            raise ConfigError(
                f"more than {MAX_VALUES:,} values, counting those behind YAML aliases each time",
                where=where,
                mend="write the values that you need without aliases (*name)",
            )
        if not isinstance(value, _PLAIN + (Mapping, list)):
            raise ConfigError(
                f"{place}: YAML's {type(value).__name__} cannot be a value of a config",
                where=where,
                mend="give a text, a number, true or false, a list or a mapping",
            )
        texts = [value] if isinstance(value, str) else []
        if isinstance(value, Mapping):
            texts = [k for k in value if isinstance(k, str)]
        for text in texts:
            if "\0" in text or not _has_bytes(text):
                raise ConfigError(
                    f"{place}: {text!r} holds NUL or half a character",
                    where=where,
                    mend="write the text without \\0 and \\ud800 to \\udfff",
                )


def _walk(value: Any, key: tuple[str, ...], where: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    if len(key) > MAX_DEPTH:
        raise _too_deep(Path(where), ".".join(key[:6]) + " …")
    yield key, value
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _walk(item, (*key, str(name)), where)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _walk(item, (*key, str(i)), where)


def _too_deep(path: Path, key: str = "") -> ConfigError:
    return ConfigError(
        f"{key + ': ' if key else ''}lists and mappings are nested more than {MAX_DEPTH} deep, "
        "or one contains itself through an alias (*name)",
        where=str(path),
        mend="write the values flat and without aliases",
    )


def _has_bytes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(path: Path) -> str:
    if not os.path.exists(path):  # of a name that is too long, too, where Path.exists raises
        raise ConfigError("no such file", where=str(path), mend="correct the path")
    if not path.is_file():
        raise ConfigError("is no file", where=str(path), mend="give the path of a YAML file")
    with open_text(path, ConfigError) as file:
        text = file.read(MAX_LETTERS + 1)
    if len(text) > MAX_LETTERS:
        raise ConfigError(
            f"has more than {MAX_LETTERS:,} characters, and no config is that long",
            where=str(path),
            mend="give the path of a YAML file",
        )
    return text


def _check_keys(node: yaml.Node | None, path: Path) -> None:
    """Raise ConfigError with both lines for a key that stands twice in one mapping."""
    seen_nodes: set[int] = set()
    waiting = [((), node)]
    while waiting:
        key, at = waiting.pop()
        if id(at) in seen_nodes:
            continue
        seen_nodes.add(id(at))
        if isinstance(at, yaml.SequenceNode):
            waiting += [((*key, str(i)), item) for i, item in enumerate(at.value)]
        elif isinstance(at, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for name, item in at.value:
                if not isinstance(name, yaml.ScalarNode):
                    continue
                below, line = (*key, name.value), name.start_mark.line + 1
                first = lines.get((name.tag, name.value))
                if first is not None:
                    raise ConfigError(
                        f"{'.'.join(below)}: the key is given twice, in lines {first} and {line}",
                        where=str(path),
                        mend="keep one of them",
                    )
                lines[name.tag, name.value] = line
                waiting.append((below, item))
