"""Errors that say what is wrong, where, and how to mend it.

Every error that a user can cause is a CisweepError. It is a ValueError too, because that is
what a user of tangermeme or Ledidi catches for a bad argument.
"""

from collections.abc import Callable, Iterable


class CisweepError(ValueError):
    """A fault in the user's input: `what` is wrong, `where` it stands, how to `mend` it."""

    faults: "tuple[CisweepError, ...]" = ()
    """Of an error that lists several: each of them."""

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None):
        self.what, self.where, self.mend = what, where, mend
        text = what if where is None else f"{where}: {what}"
        super().__init__(text if mend is None else f"{text}. Mend: {mend}")

    def __reduce__(self):
        # The default would hand the joined text to `what` alone when a worker pickles the error.
        return (_rebuild, (type(self), self.what, self.where, self.mend))


def _rebuild(cls: type, what: str, where: str | None, mend: str | None) -> "CisweepError":
    return cls(what, where=where, mend=mend)


class ConfigError(CisweepError):
    """A key of the configuration is wrong, missing or unknown."""


class GenomeError(CisweepError):
    """A FASTA or its index is missing, broken or does not have what is asked for."""


class RegionError(CisweepError):
    """A region cannot be read or used."""


class SequenceError(CisweepError):
    """A sequence or an edit of it is impossible (shape, alphabet, coordinates, N)."""


class MotifError(CisweepError):
    """A motif file or matrix cannot be used."""


class ModelError(CisweepError):
    """A model file, its config or the model's output cannot be used."""


class AttributionError(CisweepError):
    """An attribution would be wrong: unknown operation, incomplete, detached."""


class VariantError(CisweepError):
    """A variant file or a variant cannot be used."""


class DesignError(CisweepError):
    """Goals or constraints of a design contradict each other or cannot be met."""


class TrainingError(CisweepError):
    """A training data set or a training run cannot be used."""


class ProductError(CisweepError):
    """A product of a run is missing, broken or of another schema version."""


def first_line(error: BaseException) -> str:
    """Return the first line of what another's error says, or its kind if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def stop_at_faults(
    checks: Iterable[Callable[[], object]], told: Iterable[tuple[str, object]] = ()
) -> None:
    """Call all checks, then raise what they raised: a CisweepError, or one that lists them all.

    A fault that several checks find is told once. told: (key, path) of files that are missing, of
    which no more is said than where the key stands.
    """
    told = list(told)
    absent = {str(path) for _, path in told}
    first = tuple(f"{key}: no such file" for key, _ in told)
    found: dict[str, CisweepError] = {}
    for check in checks:
        try:
            check()
        except CisweepError as error:
            for each in error.faults or (error,):
                text = str(each)
                place = (each.where or "").split(", line")[0]
                if place not in absent or text.startswith(first):
                    found.setdefault(text, each)
    if len(found) == 1:
        raise next(iter(found.values()))
    if found:
        joined = ConfigError(
            "\n".join([f"{len(found)} faults:", *(f"  - {text}" for text in found)])
        )
        joined.faults = tuple(found.values())
        raise joined
