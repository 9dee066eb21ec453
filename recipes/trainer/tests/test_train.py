"""train.py as a process: what it says, what it leaves, and that the same spec gives the same bytes, stopped or not."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Ended, Folders, run_script, write_rows
from safetensors import safe_open
from spec import load_spec

SCRIPTS = Path(__file__).parents[1]
FIXTURES = SCRIPTS.parents[1] / "test" / "fixtures" / "trainer"


def adapter_hash(folders: Folders) -> str:
    return hashlib.sha256((folders.out / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest()


def stop_at_step(step: int):
    """Sends SIGTERM once, at the first step event from this step on."""
    sent: list[int] = []

    def on_event(event: dict[str, Any], child: int) -> None:
        if event["event"] == "step" and event["step"] >= step and not sent:
            sent.append(child)
            os.kill(child, signal.SIGTERM)

    return on_event


@pytest.fixture(scope="module")
def finished(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Folders, Ended]:
    root = tmp_path_factory.mktemp("finished")
    write_rows(root / "data")
    folders = Folders(root, tiny_model)
    return folders, run_script("train", folders.argv())


def test_a_run_tells_its_phases_in_order_and_ends_with_a_result(finished: tuple[Folders, Ended]):
    folders, ended = finished
    assert ended.status == 0, ended.log
    assert ended.other_lines == []
    assert [event["phase"] for event in ended.named("phase")] == ["load", "score_base", "train", "save", "score_tuned"]
    result = ended.events[-1]
    assert (result["event"], result["steps"], result["output"]) == ("result", 12, "adapter")
    assert sorted(path.name for path in folders.out.iterdir()) == ["adapter", "checkpoints"]


def test_events_have_the_fields_of_the_recording_that_the_reader_is_tested_with(finished: tuple[Folders, Ended]):
    recorded = [json.loads(line) for line in (FIXTURES / "events.jsonl").read_text().splitlines()]
    fields = {event["event"]: event.keys() for event in recorded}
    assert {event["event"]: event.keys() for event in finished[1].events} == {
        name: fields[name] for name in fields if name not in ("stopped", "error")
    }


def test_the_spec_that_mlx_writes_is_accepted():
    assert load_spec(FIXTURES / "spec.json").run_id == "tickets-000001"


def test_training_lowers_the_loss_on_held_out_rows(finished: tuple[Folders, Ended]):
    base, tuned = finished[1].named("score")
    assert (base["subject"], tuned["subject"]) == ("base", "tuned")
    assert tuned["loss"] < base["loss"] - 0.1
    assert base["tokens"] == tuned["tokens"]


def test_examples_show_the_first_held_out_rows_with_both_answers(finished: tuple[Folders, Ended]):
    folders, ended = finished
    rows = [json.loads(line) for line in (folders.root / "data" / "held_out.jsonl").read_text().splitlines()]
    examples = ended.named("example")
    assert [example["row"] for example in examples] == [0, 1]
    assert examples[1]["prompt"] == rows[1]["prompt"][0]["content"]
    assert examples[1]["expected"] == rows[1]["completion"][0]["content"]


def test_the_tokens_of_the_result_are_the_rows_tokens_without_padding(finished: tuple[Folders, Ended]):
    ended = finished[1]
    epochs = finished[0].spec["trainer"]["num_train_epochs"]
    assert ended.events[-1]["tokens"] == epochs * ended.named("data")[0]["train_tokens"]


def test_the_adapter_is_two_files_that_name_no_place_of_this_machine(finished: tuple[Folders, Ended]):
    folders, _ = finished
    adapter = folders.out / "adapter"
    assert sorted(path.name for path in adapter.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    text = (adapter / "adapter_config.json").read_text()
    assert str(folders.root) not in text
    assert str(folders.model) not in text
    settings = json.loads(text)
    assert settings["target_modules"] == sorted(settings["target_modules"])
    assert (settings["base_model_name_or_path"], settings["r"]) == ("base", 4)


def test_a_fresh_process_in_a_hardened_place_makes_the_same_bytes(finished: tuple[Folders, Ended], folders: Folders):
    model = folders.root / "model"
    shutil.copytree(folders.model, model)
    folders.model = model
    for path in (model, *model.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONHASHSEED": "5",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "2",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    command = [sys.executable, str(SCRIPTS / "train.py"), *folders.argv()]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    model.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if not line.startswith('{"event": ')] == []
    assert adapter_hash(folders) == adapter_hash(finished[0])
    config = Path("adapter") / "adapter_config.json"
    assert (folders.out / config).read_bytes() == (finished[0].out / config).read_bytes()


def test_another_seed_gives_another_adapter(finished: tuple[Folders, Ended], folders: Folders):
    folders.spec["seed"] = 43
    folders.spec["evaluation"]["limit"] = 1
    assert run_script("train", folders.argv()).status == 0
    assert adapter_hash(folders) != adapter_hash(finished[0])


def test_a_stopped_run_resumes_to_the_bytes_of_an_uninterrupted_one(finished: tuple[Folders, Ended], folders: Folders):
    stopped = run_script("train", folders.argv(), stop_at_step(6))
    assert stopped.status == 130, stopped.log
    last = stopped.events[-1]
    assert last["event"] == "stopped"
    assert 6 <= last["step"] < 12
    assert stopped.events[-2] == {"event": "checkpoint", "step": last["step"]}
    assert not (folders.out / "adapter").exists()

    resumed = run_script("train", [*folders.argv(), "--resume"])
    assert resumed.status == 0, resumed.log
    assert resumed.named("step")[0]["step"] > last["step"]
    assert adapter_hash(folders) == adapter_hash(finished[0])
    whole, joined = finished[1].events[-1], resumed.events[-1]
    assert joined["tokens"] == whole["tokens"]
    assert joined["train_loss"] == pytest.approx(whole["train_loss"], rel=1e-5)


def test_a_stop_while_the_base_is_scored_ends_at_step_0(folders: Folders):
    def on_event(event: dict[str, Any], child: int) -> None:
        if event["event"] == "score_progress" and event["done"] == 4:
            os.kill(child, signal.SIGTERM)

    ended = run_script("train", folders.argv(), on_event)
    assert (ended.status, ended.events[-1]) == (130, {"event": "stopped", "step": 0})


def test_resume_without_a_checkpoint_starts_at_the_beginning_and_says_so(folders: Folders):
    folders.spec["trainer"]["max_steps"] = 1
    folders.spec["evaluation"]["limit"] = 1
    ended = run_script("train", [*folders.argv(), "--resume"])
    assert ended.status == 0
    assert "no checkpoint to resume from" in ended.log


def test_a_checkpoint_of_another_spec_is_refused(folders: Folders):
    folders.spec["trainer"]["max_steps"] = 1
    folders.spec["evaluation"]["limit"] = 1
    assert run_script("train", folders.argv()).status == 0
    folders.spec["lora"]["r"] = 2
    ended = run_script("train", [*folders.argv(), "--resume"])
    assert (ended.status, ended.events[-1]["code"]) == (1, "SPEC_INVALID")
    assert "checkpoint-1" in ended.events[-1]["message"]


def test_a_training_that_diverges_says_so_at_once_and_leaves_no_adapter(folders: Folders):
    folders.spec["trainer"] |= {"learning_rate": 1e30, "lr_scheduler_type": "constant", "logging_steps": 1}
    folders.spec["evaluation"]["limit"] = 1
    ended = run_script("train", folders.argv())
    assert (ended.status, ended.events[-1]["code"]) == (1, "LOSS_DIVERGED"), ended.log
    step = ended.named("step")[-1]
    assert step["loss"] is None
    assert step["step"] < step["total_steps"]
    assert f"step {step['step']}" in ended.events[-1]["message"]
    assert not (folders.out / "adapter").exists()


def test_a_recipe_may_choose_optimiser_and_clipping(folders: Folders):
    folders.spec["trainer"] |= {"optim": "sgd", "max_grad_norm": 0.5, "max_steps": 1}
    folders.spec["evaluation"]["limit"] = 1
    ended = run_script("train", folders.argv())
    assert ended.status == 0, ended.log


@pytest.mark.parametrize("method", ["dora", "qlora", "full"])
def test_each_other_method_trains_or_says_why_this_machine_cannot(method: str, folders: Folders):
    folders.spec["method"] = method
    folders.spec["trainer"]["max_steps"] = 2
    folders.spec["evaluation"]["limit"] = 2
    ended = run_script("train", folders.argv())
    if method == "qlora" and ended.status == 1:
        assert ended.events[-1]["code"] == "SPEC_INVALID"
        assert "GPU" in ended.events[-1]["message"]
        return
    assert ended.status == 0, ended.log
    place = "model/model.safetensors" if method == "full" else "adapter/adapter_model.safetensors"
    with safe_open(folders.out / place, framework="pt") as tensors:
        names = list(tensors.keys())
    assert any("lora_magnitude_vector" in name for name in names) == (method == "dora")
    if method == "full":
        assert (folders.out / "model" / "tokenizer.json").exists()
        assert not (folders.out / "adapter").exists()


def test_rows_that_are_cut_are_counted_and_rows_without_room_for_an_answer_are_refused(folders: Folders):
    folders.spec["trainer"] |= {"max_length": 100, "max_steps": 1}
    folders.spec["evaluation"]["limit"] = 1
    counted = run_script("train", folders.argv()).named("data")[0]
    assert 0 < counted["truncated_rows"] < counted["train_rows"]
    folders.spec["trainer"]["max_length"] = 5
    ended = run_script("train", folders.argv())
    assert ended.events[-1]["code"] == "DATA_INVALID"


def test_bad_rows_are_named_by_line(folders: Folders):
    train = folders.root / "data" / "train.jsonl"
    lines = train.read_text().splitlines()
    lines[2], lines[4] = "not json", '{"prompt": []}'
    train.write_text("\n".join(lines))
    ended = run_script("train", folders.argv())
    assert (ended.status, ended.events[-1]["code"]) == (1, "DATA_INVALID")
    assert "line 3:" in ended.events[-1]["message"]
    assert "line 5:" in ended.events[-1]["message"]


def test_a_folder_without_weights_is_model_invalid(folders: Folders):
    model = folders.root / "model"
    shutil.copytree(folders.model, model)
    (model / "model.safetensors").unlink()
    folders.model = model
    ended = run_script("train", folders.argv())
    assert (ended.status, ended.events[-1]["code"]) == (1, "MODEL_INVALID")


def test_a_full_disk_is_named_and_leaves_no_half_adapter(folders: Folders):
    folders.out.mkdir()
    command = [sys.executable, str(SCRIPTS / "train.py"), *folders.argv()]
    script = f'mount -t tmpfs -o size=96k none "{folders.out}" && exec "$@"'
    sealed = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*sealed, "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk")
    done = subprocess.run([*sealed, *command], capture_output=True, text=True, check=False)
    last = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, last["event"], last["code"]) == (1, "error", "DISK_FULL")
