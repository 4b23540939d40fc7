"""What a product was made of, in a note beside it: its checksum, settings, and models.

Beside product `x` lies `.x.origin`. A job that reads `x` compares both: bytes that changed on the
disk, and parts of one merge that come from other weights or settings, are refused by name. A note
ends in the checksum of its own text.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from cisweep.errors import ProductError
from cisweep.temporary import atomic


@dataclass(frozen=True)
class Origin:
    """The note of one product.

    sha256: of its bytes; rule, model, settings: the rule that wrote it, the id of its model (or
    nothing), the hash of what determines the rule's results; models: id of a model -> SHA-256 of
    its weights, for all models that the product or what it was made from has read; fast_path: why a
    fast path was off, in the job or in one before it, one line a reason.
    """

    sha256: str
    rule: str
    model: str
    settings: str
    models: Mapping[str, str]
    fast_path: Sequence[str] = ()


def note_path(product: Path) -> Path:
    """Return where the note of a product lies."""
    return product.with_name(f".{product.name}.origin")


def key_path(product: Path) -> Path:
    """Return where the key lies by which a job knows that the product stands (`Job.reuse`)."""
    return product.with_name(f".{product.name}.key")


def write_origin(
    product: Path,
    rule: str,
    model: str,
    settings: str,
    models: Mapping[str, str],
    fast_path: Iterable[str] = (),
    *,
    written: Path | None = None,
) -> None:
    """Write the note of a product; written: where its bytes lie until they take its name.

    Written before the product takes its name, so that no product ever stands without its note.
    """
    sha256 = sha256_of(written or product)
    note = Origin(sha256, rule, model, settings, dict(models), sorted(fast_path))
    text = json.dumps(asdict(note), sort_keys=True)
    with atomic(note_path(product)) as temporary:
        temporary.write_text(f"{text}\n{_of_text(text)}\n")


def read_origin(product: Path) -> Origin | None:
    """Return the note of a product; None where there is none, as beside a user's own file.

    Raises ProductError if the note itself is cut off or changed.
    """
    try:
        text = note_path(product).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _no_note(product, str(error)) from None
    content, _, rest = text.partition("\n")
    # Notes of older releases have no checksum.
    if rest.strip() and rest != f"{_of_text(content)}\n":
        raise _no_note(product, "its checksum differs")
    try:
        return Origin(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise _no_note(product, str(error)) from None


def checked_origin(product: Path) -> Origin | None:
    """Return the note of a product, as read_origin does.

    Raises ProductError if the product has not the bytes that its note tells, or has no file.
    """
    origin = read_origin(product)
    try:
        whole = origin is None or sha256_of(product) == origin.sha256
    except FileNotFoundError:
        whole = False
    if not whole:
        raise ProductError("its bytes are not those that were written", where=str(product))
    return origin


def is_whole(product: Path) -> bool:
    """Return whether a product has the bytes that its note tells; without a note, it has."""
    try:
        checked_origin(product)
    except ProductError:
        return False
    return True


def _of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _no_note(product: Path, why: str) -> ProductError:
    return ProductError(f"the note of {product.name} is damaged ({why})", where=str(product))


def check_one_origin(origins: Iterable[tuple[Path, Origin]]) -> dict[str, str]:
    """Return id of a model -> SHA-256 of its weights, over all products.

    Raises ProductError where two of them were made with different weights of one model, or parts
    of one rule and model with different settings.
    """
    models: dict[str, tuple[str, Path]] = {}
    settings: dict[tuple[str, str], tuple[str, Path]] = {}
    for path, origin in origins:
        for model, sha256 in origin.models.items():
            known, other = models.setdefault(model, (sha256, path))
            if known != sha256:
                raise _mixture(path, other, f"weights of model {model}")
        known, other = settings.setdefault((origin.rule, origin.model), (origin.settings, path))
        if known != origin.settings:
            raise _mixture(path, other, "settings")
    return {model: sha256 for model, (sha256, _) in models.items()}


def _mixture(path: Path, other: Path, what: str) -> ProductError:
    return ProductError(
        f"it was made with other {what} than {other}",
        where=str(path),
        mend="delete the one that is out of date and run the workflow again, which makes it again",
    )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read once a process unless the file changes."""
    stat = path.stat()
    return _sha256(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: Path, *stamp: int) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
