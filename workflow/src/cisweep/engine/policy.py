"""Fast paths: which are taken, and why one is not.

A fast path gives what the plain computation gives, to rounding, in less time. Whatever goes wrong
in it (a model that cannot be recorded, values that differ from the model's, an error of its
own), the plain computation runs instead, and one line of the log says why. An error that is the
model's own comes again there, and is shown.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

_Made = TypeVar("_Made")
_log = logging.getLogger("cisweep.engine.policy")
_reasons: dict[str, None] = {}
_required: list["_Required"] = []


class FastPathOff(Exception):
    """A fast path is not taken; the message says why."""


class _Required:
    def __init__(self, names: tuple[str, ...]):
        self.names, self.missing = names, set(names)


def attempt(name: str, run: Callable[[], _Made]) -> _Made | None:
    """Return what a fast path gives; None, once the log has the reason, where it raises.

    `name` says what is computed in full then, as in the line of the log.
    """
    try:
        return run()
    except Exception as error:  # of whatever kind: the plain computation decides
        switch_off(name, str(error) if isinstance(error, FastPathOff) else _named(error), error)
        return None


def switch_off(name: str, why: str, cause: Exception | None = None) -> None:
    """Say, once a reason, that a fast path is off.

    Raises
    ------
    FastPathOff: within `require` of this path.
    """
    line = f"fast path: off, because {why} ({name} in full)"
    if any(name in each.names for each in _required):
        raise FastPathOff(line) from cause
    if line not in _reasons:
        _reasons[line] = None
        _log.warning(line)


def taken(name: str) -> None:
    """Note that results of a fast path are used."""
    for each in _required:
        each.missing.discard(name)


def reasons() -> list[str]:
    """Return the lines that this process has said since `forget_reasons`."""
    return list(_reasons)


def forget_reasons() -> None:
    """Say each reason again where it comes up again."""
    _reasons.clear()


@contextmanager
def require(*names: str) -> Iterator[None]:
    """Within it these fast paths have to be taken; for tests, which a fall-back would deceive.

    Raises
    ------
    FastPathOff: one is switched off; at the end, one that was never taken.
    """
    wanted = _Required(names)
    _required.append(wanted)
    try:
        yield
    finally:
        _required.remove(wanted)
    if wanted.missing:
        raise FastPathOff(f"fast path: never taken: {', '.join(sorted(wanted.missing))}")


def _named(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
