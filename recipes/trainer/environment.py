"""The environment that libraries read when they are first imported: call this before torch or huggingface_hub is."""

import os
import sys


def set_environment(*, offline: bool = True) -> None:
    """Sets no telemetry, no bars, no second network, and threads that sum in one order and wait without spinning.

    OMP_WAIT_POLICY: OpenMP's threads spin while they wait for each other. With fewer free cores than threads (another
    job, a model server, a container's CPU limit) that costs most of the time: a training step of the demo's base
    model took 4.1 s with spinning and 0.5 s without, two threads on two busy cores (docs/log.md).

    Args:
        offline: whether huggingface_hub may not use the network.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def without_bitsandbytes() -> None:
    """Keeps this process from importing bitsandbytes: call this before torch's libraries, where nothing is quantised.

    PEFT imports it wherever it is installed. On a CPU with AVX-512 BF16 it then looks for a kernel on the hub, which
    is out of reach, and warns of it in every log (bitsandbytes/backends/cpu/ops.py). A None here is Python's own way
    to say that a module is not there (https://docs.python.org/3/reference/import.html#the-module-cache).
    """
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment]
