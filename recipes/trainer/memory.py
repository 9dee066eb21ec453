"""How much memory a script uses: on the GPU if there is one, else its own resident memory."""

import resource
import sys

from events import GIB


def memory_gib() -> float:
    """Measures memory in use: what torch holds on the GPU, else this process's resident memory."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return torch.cuda.memory_reserved() / GIB
    return psutil.Process().memory_info().rss / GIB


def peak_memory_gib() -> float:
    """Measures the most memory that was in use so far, on the GPU if there is one."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved() / GIB
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in KiB on Linux, in bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB
