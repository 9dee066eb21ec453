"""A tiny model, tickets as rows, and a way to run the real scripts without paying for their imports each time.

`run_script` forks this process, which has imported the libraries once, and runs a script's `main` in the child: with
its own argv, stdout, signals and exit status, as if it had been started from a shell.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# One thread: forked children must not inherit a pool of threads that exists in the parent only.
os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TQDM_DISABLE="1")

ROWS, HELD_OUT_ROWS = 24, 9
SPEC = {
    "schema": 1,
    "run_id": "tiny-1",
    "method": "lora",
    "seed": 42,
    "determinism": "bit-exact",
    "lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "target_modules": "all-linear", "use_rslora": False},
    "trainer": {
        "num_train_epochs": 2,
        "max_steps": -1,
        "learning_rate": 0.01,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.03,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "max_length": 512,
        "weight_decay": 0.0,
        "packing": False,
        "gradient_checkpointing": False,
        "bf16": False,
        "logging_steps": 2,
        "save_steps": 5,
    },
    "evaluation": {"max_new_tokens": 16, "batch_size": 4, "limit": None, "examples": 2},
}


@dataclass
class Ended:
    """How a script ended: exit status, its events, what else stood on stdout, and its stderr."""

    status: int
    events: list[dict[str, Any]]
    other_lines: list[str]
    log: str

    def named(self, event: str) -> list[dict[str, Any]]:
        """Picks the events of one kind."""
        return [entry for entry in self.events if entry["event"] == event]


@dataclass
class Folders:
    """Where one run reads and writes."""

    root: Path
    model: Path
    spec: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(SPEC)))

    @property
    def out(self) -> Path:
        """What the run writes."""
        return self.root / "out"

    def argv(self) -> list[str]:
        """Writes spec.json and names everything."""
        (self.root / "spec.json").write_text(json.dumps(self.spec), encoding="utf-8")
        places = {"spec": self.root / "spec.json", "model": self.model, "data": self.root / "data", "out": self.out}
        return [text for name, place in places.items() for text in (f"--{name}", str(place))]


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    """Imports once what every forked script needs; computes nothing here."""
    for name in ("train", "make_base", "progress", "fitting", "loading", "scoring", "rows", "checkpoints"):
        importlib.import_module(name)
    for name in ("datasets", "peft", "trl.trainer.sft_trainer", "transformers.models.qwen3.modeling_qwen3"):
        importlib.import_module(name)


@pytest.fixture(scope="session")
def tiny_model(libraries: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a model of 2 layers x 64 with make_base's own functions."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    assert run_child(lambda: make_tiny(folder), None).status == 0
    return folder


def make_tiny(folder: Path) -> int:
    """Runs in a child."""
    import make_base
    from base_model import Shape
    from events import Events

    folder.mkdir()
    network, tokenizer = make_base.make_model(Shape(vocabulary=512, hidden=64, layers=2), 3, Events())
    make_base.save(network, tokenizer, folder)
    return 0


@pytest.fixture
def folders(tiny_model: Path, tmp_path: Path) -> Folders:
    """Lays out spec and rows for one run."""
    write_rows(tmp_path / "data")
    return Folders(tmp_path, tiny_model)


def write_rows(folder: Path) -> None:
    """Writes the first tickets of the demo as train.jsonl and held_out.jsonl."""
    from tickets import answer, make_tickets

    folder.mkdir()
    for name, tickets, count in zip(("train", "held_out"), make_tickets(), (ROWS, HELD_OUT_ROWS), strict=True):
        rows = [
            {
                "prompt": [{"role": "user", "content": ticket.text}],
                "completion": [{"role": "assistant", "content": answer(ticket)}],
            }
            for ticket in tickets[:count]
        ]
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def run_script(script: str, argv: list[str], on_event: Callable[[dict[str, Any], int], None] | None = None) -> Ended:
    """Runs a script's main in a child.

    Args:
        script: module name.
        argv: its arguments.
        on_event: told each event and the child's pid, while it runs.
    """

    def run() -> int:
        sys.argv = [f"{script}.py", *argv]
        return importlib.import_module(script).main()

    return run_child(run, on_event)


def run_child(run: Callable[[], int], on_event: Callable[[dict[str, Any], int], None] | None) -> Ended:
    """Forks, runs, and reads the child's stdout to its end."""
    log_read, log_write = os.pipe()
    out_read, out_write = os.pipe()
    child = os.fork()
    if child == 0:
        become_script(run, out_write, log_write)
    os.close(out_write)
    os.close(log_write)
    events, other_lines = [], []
    with os.fdopen(out_read) as lines:
        for line in lines:
            try:
                events.append(json.loads(line))
            except ValueError:
                other_lines.append(line)
                continue
            if on_event is not None:
                on_event(events[-1], child)
    with os.fdopen(log_read, errors="replace") as log:
        text = log.read()
    return Ended(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), events, other_lines, text)


def become_script(run: Callable[[], int], out: int, log: int) -> None:
    """Turns a forked child into the script's process; never returns."""
    status = 1
    try:
        os.dup2(out, 1)
        os.dup2(log, 2)
        os.set_blocking(2, False)  # a log that nobody reads yet must not hold the script up
        sys.stdout = os.fdopen(os.dup(1), "w")
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = run()
    except BaseException:
        traceback.print_exc()
    os._exit(status)
