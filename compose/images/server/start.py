"""Starts vLLM for the model version in /mlx/version, on a unix socket.

    python /mlx/server/start.py            in the container; compose/serve.yaml sets the variables
    python /mlx/server/start.py --print    shows vLLM's arguments and does not start it

/mlx/base     the base model, mounted
/mlx/version  the version's layer: `settings.json`, and `adapter/` or (method `full`) `model/`
/mlx/adapters adapters that were loaded while the server ran, `NAME/adapter/` each, mounted; those with a file `loaded`
              are loaded again
/run/mlx      the folder in which the socket appears

A version with an adapter answers under its model's name, its base under `base`, and an adapter that came later under
its folder's name. Without an adapter the whole model answers under the model's name. `mlx package` writes the
settings, of which `max_model_len`, `max_lora_rank`, `gpu_memory_utilization`, `max_num_seqs`, `dtype` and
`enforce_eager` are read here; every one may be left out.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

VERSION = Path("/mlx/version")
BASE = Path("/mlx/base")
ADAPTERS = Path("/mlx/adapters")
INSPECTED = Path("/mlx/server/modelinfos")

# vLLM takes no rank between these (vllm.config.lora, version 0.32).
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)

# During a switch the old and the new version answer in one batch; a third may be kept for the way back. Each of the
# former takes its rank's share of the GPU's memory.
LORA_ROOM = ("--max-loras", "2", "--max-cpu-loras", "4")

# What settings.json may leave out. Graph capture makes a GPU faster; on CPU it only makes the start longer.
DEFAULTS = {
    "cpu": {"max_num_seqs": 16, "dtype": "bfloat16", "enforce_eager": True},
    "cuda": {"max_num_seqs": 64, "dtype": "auto", "enforce_eager": False},
}


def main() -> None:
    """Replaces this process by vLLM, so that signals reach it and its exit status is the container's."""
    arguments = vllm_arguments(VERSION, BASE, os.environ, ADAPTERS)
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments]
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(json.dumps(command, indent=2) + "\n")
        return
    # What a server that was killed leaves; vLLM would not bind to it. The folder is this container's alone.
    Path(socket_file(os.environ)).unlink(missing_ok=True)
    shutil.copytree(INSPECTED, cache_folder(os.environ) / "modelinfos", dirs_exist_ok=True)
    os.execve(command[0], command, {**os.environ, **vllm_environment(os.environ)})


def vllm_arguments(version: Path, base: Path, environment: Mapping[str, str], adapters: Path) -> list[str]:
    """Translates a version's settings into vLLM's command line.

    Args:
        version: folder of the model version's layer; may be empty, then the base model alone is served.
        base: folder of the base model.
        environment: MLX_MODEL_NAME (required), MLX_VARIANT (`cpu` or `cuda`, the image's own) and MLX_SOCKET
            (default /run/mlx/vllm.sock) and MLX_SLEEP_MODE are read.
        adapters: folder of the adapters that were loaded while an earlier server of this container ran.

    Returns:
        The arguments after the module's name.

    Raises:
        KeyError: MLX_MODEL_NAME is not set.
        ValueError: the adapter's rank is larger than any that vLLM serves.
    """
    name, variant = environment["MLX_MODEL_NAME"], environment.get("MLX_VARIANT", "cpu")
    adapter = version / "adapter"
    model = version / "model" if (version / "model").is_dir() else base
    settings = {"max_model_len": longest_sequence(model), **DEFAULTS[variant], **read_json(version / "settings.json")}
    arguments = ["--uds", socket_file(environment), "--model", str(model)]
    arguments += ["--served-model-name", "base" if adapter.is_dir() else name]
    if adapter.is_dir():
        own = [] if (adapters / "own-retired").exists() else [f"{name}={adapter}"]
        arguments += lora_arguments(adapter, settings, [*own, *loaded_adapters(adapters)])
    for setting in ("dtype", "max_model_len", "max_num_seqs"):
        arguments += [f"--{setting.replace('_', '-')}", str(settings[setting])]
    if settings["enforce_eager"]:
        arguments.append("--enforce-eager")
    if variant == "cuda" and "gpu_memory_utilization" in settings:
        arguments += ["--gpu-memory-utilization", str(settings["gpu_memory_utilization"])]
    if may_sleep(environment):
        arguments += ["--enable-sleep-mode", "--no-log-error-stack"]
    return [*arguments, "--disable-fastapi-docs", "--disable-uvicorn-access-log"]


def lora_arguments(adapter: Path, settings: dict, modules: list[str]) -> list[str]:
    """Serves the modules (`name=path`) with room for the smallest rank vLLM knows that holds the version's adapter."""
    rank = int(settings.get("max_lora_rank") or read_json(adapter / "adapter_config.json")["r"])
    fitting = [known for known in LORA_RANKS if known >= rank]
    if not fitting:
        raise ValueError(f"the adapter's rank is {rank}; vLLM serves ranks up to {LORA_RANKS[-1]}")
    return ["--enable-lora", "--max-lora-rank", str(fitting[0]), *LORA_ROOM, "--lora-modules", *modules]


def loaded_adapters(adapters: Path) -> list[str]:
    """What vLLM had taken before it started again, as `name=path`; one that was only being loaded is left out."""
    if not adapters.is_dir():
        return []
    loaded = [folder for folder in sorted(adapters.iterdir()) if (folder / "loaded").exists()]
    return [f"{folder.name}={folder / 'adapter'}" for folder in loaded]


def longest_sequence(model: Path) -> int:
    """2,048 tokens of prompt and answer together, or what the model was made for where that is less."""
    return min(2048, int(read_json(model / "config.json").get("max_position_embeddings", 2048)))


def vllm_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that make vLLM on CPU ready in half the time, and keep it alive; for a GPU, those that let it sleep.

    vLLM answers /sleep, /wake_up and /is_sleeping in its development mode alone (entrypoints/serve/dev, 0.32). They are
    reached through the socket, whose folder is private, and the gateway forwards no such path.

    vLLM starts its worker in a process of its own, which imports everything once more (about 10 s of one core and
    550 MiB), only to bind it to cores. Without that process the worker runs in the engine's, takes the number of
    threads from OpenMP's variable, and two servers beside each other are not bound to the same cores. vLLM
    (platforms/cpu.py, 0.32) calls this unsupported where it cannot set OpenMP's variables itself: here they are set
    before it starts.

    The sampler counts ranks in a function that torch compiles when somebody asks for `logprobs` the first time
    (v1/sample/ops/logprobs.py), `enforce_eager` or not. The image has no C++ compiler, and the failed compilation ends
    the engine for everybody: with TORCHDYNAMO_DISABLE such functions run as they are written.
    """
    if environment.get("MLX_VARIANT") != "cpu":
        return {"VLLM_SERVER_DEV_MODE": "1"} if may_sleep(environment) else {}
    threads = environment.get("OMP_NUM_THREADS") or str(max(1, len(os.sched_getaffinity(0)) - 1))  # one is for HTTP
    return {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": threads, "TORCHDYNAMO_DISABLE": "1"}


def may_sleep(environment: Mapping[str, str]) -> bool:
    """Whether the weights may go to the machine's memory for a while: vLLM has it for GPUs; MLX_SLEEP_MODE=0 is off."""
    return environment.get("MLX_VARIANT") == "cuda" and environment.get("MLX_SLEEP_MODE", "1") == "1"


def socket_file(environment: Mapping[str, str]) -> str:
    return environment.get("MLX_SOCKET", "/run/mlx/vllm.sock")


def cache_folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("VLLM_CACHE_ROOT") or Path.home() / ".cache" / "vllm")


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


if __name__ == "__main__":
    main()
