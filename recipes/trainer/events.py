"""The JSON lines that mlx reads: one event a line on the real stdout, everything else that prints goes to stderr.

`docs/trainer-contract.md` lists the events. Nobody else may write to stdout, C libraries included, so `Events` keeps
the real stdout for itself and lets file descriptor 1 point to stderr from then on.
"""

import json
import math
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

GIB = 2**30


class Events:
    """Writes events to the stdout that the process was started with.

    `listening` turns false when the reader has gone; the script then stops as it does on SIGTERM.
    """

    def __init__(self) -> None:
        """Takes stdout away from everybody else."""
        sys.stdout.flush()
        self._descriptor = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self.listening = True

    def emit(self, event: str, **fields: Any) -> None:
        """Writes one line.

        Args:
            event: its name.
            fields: JSON values; a number that JSON lacks (NaN, infinity) becomes null.
        """
        line = json.dumps({"event": event, **{name: finite(value) for name, value in fields.items()}}) + "\n"
        try:
            remaining = memoryview(line.encode())
            while remaining:
                remaining = remaining[os.write(self._descriptor, remaining) :]
        except BrokenPipeError:
            self.listening = False

    def started(self) -> None:
        """Says on what the script runs."""
        import torch

        cuda = torch.cuda.is_available()
        self.emit(
            "started",
            device="cuda" if cuda else "cpu",
            device_name=torch.cuda.get_device_name(0) if cuda else cpu_name(),
            threads=torch.get_num_threads(),
            versions={
                "python": platform.python_version(),
                **{name: version(name) for name in ("torch", "transformers", "trl", "peft")},
            },
        )


def finite(value: Any) -> Any:
    """Replaces a float that JSON cannot write by None, and rounds the rest to 7 significant digits."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None


def cpu_name() -> str:
    """Reads the processor's name where Linux tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
