"""Failures that the scripts can name: each has one of the codes of docs/trainer-contract.md."""

import errno
import shutil
from pathlib import Path

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
FULL_BELOW_BYTES = 2**20


class TrainerError(Exception):
    """A failure with a code of the contract.

    Attributes:
        code: for example `SPEC_INVALID`.
    """

    def __init__(self, code: str, message: str) -> None:
        """Keeps the code beside the message."""
        super().__init__(message)
        self.code = code


class Stopped(Exception):  # noqa: N818  it is no error: somebody asked for it
    """SIGTERM or SIGINT arrived.

    Attributes:
        step: up to which the training came; 0 before and after it.
    """

    def __init__(self, step: int = 0) -> None:
        """Keeps the step."""
        super().__init__(step)
        self.step = step


def failure_of(error: BaseException, out: Path) -> tuple[str, str]:
    """Says which code and message a failure has for the reader.

    Args:
        error: what was raised.
        out: the folder that was being written, to see whether its disk is full.

    Returns:
        The code and a message that names what failed.
    """
    if isinstance(error, TrainerError):
        return error.code, str(error)
    if is_out_of_memory(error):
        return "OUT_OF_MEMORY", first_line(error)
    if is_disk_full(error, out):
        return "DISK_FULL", f"no space left on the disk of {out.name}/: {first_line(error)}"
    return "INTERNAL", f"{type(error).__name__}: {first_line(error)}"


def is_out_of_memory(error: BaseException) -> bool:
    """Knows memory errors of Python, CUDA, and torch's allocator for the CPU, which raises a bare RuntimeError."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def is_disk_full(error: BaseException, out: Path) -> bool:
    """Knows a full disk by the error number, also of a cause, or by looking: torch and safetensors hide the number."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in NO_SPACE:
            return True
        if "(os error 28)" in str(link):
            return True
        link = link.__cause__ or link.__context__
    present = next((folder for folder in (out, *out.parents) if folder.exists()), None)
    return present is not None and shutil.disk_usage(present).free < FULL_BELOW_BYTES


def first_line(error: BaseException) -> str:
    """Cuts an error to its first line: the rest is in the log."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
