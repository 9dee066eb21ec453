"""Starts vLLM for the model version in /mlx/version, on a unix socket.

    python /mlx/server/start.py            in the container; compose/serve.yaml sets the variables
    python /mlx/server/start.py --print    shows vLLM's arguments and does not start it

/mlx/base     the base model, mounted
/mlx/version  the version's layer: `settings.json`, and `adapter/` or (method `full`) `model/`
/run/mlx      the folder in which the socket appears

A version with an adapter answers under its model's name, its base under `base`. Without an adapter the whole model
answers under the model's name. Settings are written by `mlx package`; all have defaults.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

VERSION = Path("/mlx/version")
BASE = Path("/mlx/base")
INSPECTED = Path("/mlx/server/modelinfos")

# vLLM takes no rank between these (vllm.config.lora, version 0.32).
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)

DEFAULTS = {
    "dtype": "bfloat16",
    "max_model_len": 2048,  # tokens of prompt and answer together
    "max_num_seqs": 16,  # requests answered at the same time
    "enforce_eager": True,  # no graph capture: ready sooner, and the CPU build gains nothing from it
}


def main() -> None:
    """Replaces this process by vLLM, so that signals reach it and its exit status is the container's."""
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *vllm_arguments(VERSION, BASE, os.environ)]
    if sys.argv[1:] == ["--print"]:
        print(json.dumps(command, indent=2))
        return
    shutil.copytree(INSPECTED, cache_folder(os.environ) / "modelinfos", dirs_exist_ok=True)
    os.execve(command[0], command, {**os.environ, **vllm_environment(os.environ)})


def vllm_arguments(version: Path, base: Path, environment: Mapping[str, str]) -> list[str]:
    """Translates a version's settings into vLLM's command line.

    Args:
        version: folder of the model version's layer; may be empty, then the base model alone is served.
        base: folder of the base model.
        environment: MLX_MODEL_NAME (required) and MLX_SOCKET (default /run/mlx/vllm.sock) are read.

    Returns:
        The arguments after the module's name.

    Raises:
        KeyError: MLX_MODEL_NAME is not set.
        ValueError: settings.json holds a setting that this server does not know, or the adapter's rank is too large.
    """
    name = environment["MLX_MODEL_NAME"]
    settings = {**DEFAULTS, **read_json(version / "settings.json").get("server", {})}
    unknown = sorted(set(settings) - set(DEFAULTS) - {"max_lora_rank", "gpu_memory_utilization"})
    if unknown:
        raise ValueError(f"settings.json: unknown server settings {', '.join(unknown)}")
    adapter = version / "adapter"
    model = version / "model" if (version / "model").is_dir() else base
    arguments = ["--uds", environment.get("MLX_SOCKET", "/run/mlx/vllm.sock"), "--model", str(model)]
    arguments += ["--served-model-name", "base" if adapter.is_dir() else name]
    if adapter.is_dir():
        arguments += lora_arguments(name, adapter, settings)
    arguments += ["--dtype", str(settings["dtype"])]
    arguments += ["--max-model-len", str(settings["max_model_len"])]
    arguments += ["--max-num-seqs", str(settings["max_num_seqs"])]
    arguments += ["--disable-fastapi-docs", "--disable-uvicorn-access-log"]
    if settings["enforce_eager"]:
        arguments.append("--enforce-eager")
    if "gpu_memory_utilization" in settings:
        arguments += ["--gpu-memory-utilization", str(settings["gpu_memory_utilization"])]
    return arguments


def lora_arguments(name: str, adapter: Path, settings: dict) -> list[str]:
    """Serves the adapter under the model's name, with room for the smallest rank vLLM knows that holds it."""
    rank = int(settings.get("max_lora_rank") or read_json(adapter / "adapter_config.json")["r"])
    fitting = [known for known in LORA_RANKS if known >= rank]
    if not fitting:
        raise ValueError(f"the adapter's rank is {rank}; vLLM serves ranks up to {LORA_RANKS[-1]}")
    return ["--enable-lora", "--max-lora-rank", str(fitting[0]), "--lora-modules", f"{name}={adapter}"]


def vllm_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that make vLLM on CPU ready in half the time; nothing for a GPU.

    vLLM starts its worker in a process of its own, which imports everything once more (about 6 s of one core, 550 MiB), only
    to bind it to cores. Without that process the worker runs in the engine's, takes the number of threads from OpenMP's
    variable, and two servers beside each other are not bound to the same cores.
    """
    if environment.get("MLX_VARIANT") != "cpu":
        return {}
    threads = max(1, len(os.sched_getaffinity(0)) - 1)  # one core is left for the HTTP side, as vLLM's own binding does
    return {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": environment.get("OMP_NUM_THREADS") or str(threads)}


def cache_folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("VLLM_CACHE_ROOT") or Path.home() / ".cache" / "vllm")


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


if __name__ == "__main__":
    main()
