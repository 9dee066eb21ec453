"""What the model server's container starts vLLM with, for each kind of version layer."""

import json
from pathlib import Path

import pytest
from start import longest_sequence, vllm_arguments, vllm_environment

NO_ADAPTERS = Path("no-such-folder")
CPU = {"MLX_MODEL_NAME": "tax-helper", "MLX_VARIANT": "cpu"}


def write_version(folder: Path, rank: int = 16, **settings: object) -> Path:
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps({"r": rank}))
    (folder / "settings.json").write_text(json.dumps({"schema": 1, "model": "tax-helper", **settings}))
    return folder


def test_an_adapter_answers_under_the_models_name_and_its_base_beside_it(tmp_path: Path) -> None:
    version = write_version(tmp_path / "version", max_lora_rank=16, max_model_len=1024)
    assert vllm_arguments(version, tmp_path / "base", CPU, NO_ADAPTERS) == [
        *("--uds", "/run/mlx/vllm.sock", "--model", str(tmp_path / "base"), "--served-model-name", "base"),
        *("--enable-lora", "--max-lora-rank", "16", "--max-loras", "2", "--max-cpu-loras", "4"),
        *("--lora-modules", f"tax-helper={version / 'adapter'}"),
        *("--dtype", "bfloat16", "--max-model-len", "1024", "--max-num-seqs", "16", "--enforce-eager"),
        *("--disable-fastapi-docs", "--disable-uvicorn-access-log"),
    ]


def test_without_a_layer_the_base_answers_under_the_models_name(tmp_path: Path) -> None:
    arguments = vllm_arguments(tmp_path / "version", tmp_path / "base", CPU, NO_ADAPTERS)
    assert arguments[2:6] == ["--model", str(tmp_path / "base"), "--served-model-name", "tax-helper"]
    assert "--enable-lora" not in arguments


def test_a_whole_model_in_the_layer_is_served_instead_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "version" / "model").mkdir(parents=True)
    arguments = vllm_arguments(tmp_path / "version", tmp_path / "base", CPU, NO_ADAPTERS)
    assert arguments[2:6] == ["--model", str(tmp_path / "version" / "model"), "--served-model-name", "tax-helper"]


@pytest.mark.parametrize(("rank", "served"), [(8, "8"), (9, "16"), (12, "16"), (48, "64"), (512, "512")])
def test_the_smallest_rank_that_vllm_knows_and_that_holds_the_adapter_is_taken(
    tmp_path: Path, rank: int, served: str
) -> None:
    arguments = vllm_arguments(write_version(tmp_path, rank), tmp_path / "base", CPU, NO_ADAPTERS)
    assert arguments[arguments.index("--max-lora-rank") + 1] == served


def test_a_rank_beyond_what_vllm_serves_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rank is 600; vLLM serves ranks up to 512"):
        vllm_arguments(write_version(tmp_path, 600), tmp_path / "base", CPU, NO_ADAPTERS)


def test_a_server_that_starts_again_has_the_adapters_that_were_loaded_and_not_those_that_were_taken_away(
    tmp_path: Path,
) -> None:
    version, adapters = write_version(tmp_path / "version"), tmp_path / "adapters"
    for name, files in {"v3-b": ["loaded"], "v2-a": ["loaded", "server.json"], "v4-c": ["server.json"]}.items():
        (adapters / name / "adapter").mkdir(parents=True)
        for file in files:
            (adapters / name / file).touch()
    loaded = [f"{name}={adapters / name / 'adapter'}" for name in ("v2-a", "v3-b")]
    assert modules(vllm_arguments(version, tmp_path, CPU, adapters)) == [f"tax-helper={version / 'adapter'}", *loaded]
    (adapters / "own-retired").touch()
    assert modules(vllm_arguments(version, tmp_path, CPU, adapters)) == loaded


def modules(arguments: list[str]) -> list[str]:
    after = arguments[arguments.index("--lora-modules") + 1 :]
    return after[: after.index("--dtype")]


def test_a_gpu_gets_its_share_of_memory_and_graph_capture(tmp_path: Path) -> None:
    version = write_version(tmp_path / "version", gpu_memory_utilization=0.85)
    arguments = vllm_arguments(version, tmp_path / "base", {**CPU, "MLX_VARIANT": "cuda"}, NO_ADAPTERS)
    assert arguments[arguments.index("--gpu-memory-utilization") + 1] == "0.85"
    assert "--enforce-eager" not in arguments


def test_a_base_made_for_short_sequences_is_not_asked_for_longer_ones(tmp_path: Path) -> None:
    assert longest_sequence(tmp_path) == 2048
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    assert longest_sequence(tmp_path) == 512


def test_only_the_cpu_server_runs_its_worker_in_the_engines_process() -> None:
    assert vllm_environment(CPU)["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert vllm_environment({**CPU, "OMP_NUM_THREADS": "7"})["OMP_NUM_THREADS"] == "7"
    assert "OMP_NUM_THREADS" not in vllm_environment({**CPU, "MLX_VARIANT": "cuda"})


def test_only_a_gpu_server_can_be_put_to_sleep_and_not_where_it_is_switched_off(tmp_path: Path) -> None:
    gpu = {**CPU, "MLX_VARIANT": "cuda"}
    for environment, sleeps in ((gpu, True), ({**gpu, "MLX_SLEEP_MODE": "0"}, False), (CPU, False)):
        arguments = vllm_arguments(tmp_path / "version", tmp_path / "base", environment, NO_ADAPTERS)
        assert ("--enable-sleep-mode" in arguments) is sleeps
        assert ("VLLM_SERVER_DEV_MODE" in vllm_environment(environment)) is sleeps


def test_the_cpu_server_compiles_nothing_when_it_is_asked() -> None:
    assert vllm_environment(CPU)["TORCHDYNAMO_DISABLE"] == "1"
