"""Fast paths: whether they are taken (auto, off or required), and why one is not.

A fast path gives what the plain computation gives, to rounding, in less time. Whatever goes wrong
in it (a model that cannot be recorded, values that differ from the model's, an error of its
own), the plain computation runs instead, and one line of the log says why. An error that is the
model's own comes again there, and is shown. That is `auto`; within `off` paths are not tried, and
within `require` one that is not taken is an error.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

_Made = TypeVar("_Made")
_log = logging.getLogger("cisweep.engine.policy")
_reasons: dict[str, None] = {}
_rules: list["_Rule"] = []  # of the contexts that are open, the outermost first

OPERATIONS = "fast operations"
"""The name of what runs in place of single operations (engine/operations.py)."""


class FastPathOff(Exception):
    """A fast path is not taken; the message says why."""


class _Rule:
    """What a context asks of some paths; `names` None: of all."""

    def __init__(self, policy: Literal["off", "require"], names: tuple[str, ...] | None):
        self.policy, self.names = policy, names
        self.missing = set(names or ())

    def holds_for(self, name: str) -> bool:
        return self.names is None or name in self.names


def policy_of(name: str) -> Literal["auto", "off", "require"]:
    """Return what holds for a path here: what the innermost context that names it asks for."""
    for rule in reversed(_rules):
        if rule.holds_for(name):
            return rule.policy
    return "auto"


def attempt(name: str, run: Callable[[], _Made], fast: bool = True) -> _Made | None:
    """Return what a fast path gives; None where it is off, and, once the log has the reason, where
    it raises.

    Parameters
    ----------
    name: what is computed in full then, as in the line of the log.
    fast: False: the caller's own policy is `off`.
    """
    if not fast or policy_of(name) == "off":
        return None
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
    if policy_of(name) == "require":
        raise FastPathOff(line) from cause
    if line not in _reasons:
        _reasons[line] = None
        _log.warning(line)


def taken(name: str) -> None:
    """Note that results of a fast path are used."""
    for rule in _rules:
        rule.missing.discard(name)


def reasons() -> list[str]:
    """Return the lines that this process has said since `forget_reasons`."""
    return list(_reasons)


def forget_reasons() -> None:
    """Say each reason again where it comes up again."""
    _reasons.clear()


@contextmanager
def off(*names: str) -> Iterator[None]:
    """Within it these fast paths are not tried, nothing is said of it, and all is computed in full.

    Without names: all paths, and torch's own operations run (`OPERATIONS`).
    """
    with _ruled(_Rule("off", names or None)):
        yield


@contextmanager
def require(*names: str) -> Iterator[None]:
    """Within it these fast paths have to be taken; for tests, which a fall-back would deceive.

    Raises
    ------
    FastPathOff: one is switched off; at the end, one that was never taken.
    """
    wanted = _Rule("require", names)
    with _ruled(wanted):
        yield
    if wanted.missing:
        raise FastPathOff(f"fast path: never taken: {', '.join(sorted(wanted.missing))}")


@contextmanager
def _ruled(rule: _Rule) -> Iterator[None]:
    _rules.append(rule)
    try:
        yield
    finally:
        _rules.remove(rule)


def _named(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
