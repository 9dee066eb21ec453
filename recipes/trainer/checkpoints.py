"""Checkpoints that a run can go on from: complete ones only, and only those of the same spec and data."""

import hashlib
import json
import shutil
from pathlib import Path

from failures import TrainerError

MARK = "complete.json"


def fingerprint(spec_path: Path, train_path: Path) -> str:
    """Hashes what a checkpoint depends on, but for the run's own id: spec and training rows."""
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    spec.pop("run_id", None)
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    digest.update(train_path.read_bytes())
    return digest.hexdigest()


def mark_complete(checkpoint: Path, identity: str) -> None:
    """Marks a checkpoint that is wholly written, with the sizes of its files, so that a torn one shows later."""
    sizes = {path.name: path.stat().st_size for path in sorted(checkpoint.iterdir()) if path.name != MARK}
    (checkpoint / MARK).write_text(json.dumps({"identity": identity, "sizes": sizes}, indent=1), encoding="utf-8")


def newest_complete(folder: Path, identity: str) -> Path | None:
    """Finds the checkpoint to go on from, and removes those that a crash left incomplete.

    Args:
        folder: of all checkpoints; may be absent.
        identity: fingerprint of this run.

    Returns:
        The newest complete checkpoint, or None.

    Raises:
        TrainerError: SPEC_INVALID when the newest belongs to another spec or other data.
    """
    complete = []
    for checkpoint in folder.glob("checkpoint-*"):
        mark = read_mark(checkpoint)
        if mark is None:
            shutil.rmtree(checkpoint)
        else:
            complete.append((step_of(checkpoint), checkpoint, mark))
    if not complete:
        return None
    _, newest, mark = max(complete, key=lambda entry: entry[0])
    if mark != identity:
        raise TrainerError("SPEC_INVALID", f"{newest.name} was made with another spec or other training rows")
    return newest


def read_mark(checkpoint: Path) -> str | None:
    """Reads whose checkpoint it is; None when it is not complete."""
    try:
        mark = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
        sizes = {name: (checkpoint / name).stat().st_size for name in mark["sizes"]}
    except (OSError, ValueError, KeyError):
        return None
    return mark["identity"] if sizes == mark["sizes"] else None


def step_of(checkpoint: Path) -> int:
    """Reads the step from a checkpoint's name."""
    return int(checkpoint.name.rpartition("-")[2])
