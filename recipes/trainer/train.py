"""Fine-tunes a model with TRL and PEFT (LoRA, QLoRA, DoRA) or whole, and scores it before and after on held-out rows.

    python train.py --spec SPEC --model DIR --data DIR --out DIR [--resume]

Needs no network. stdout carries JSON lines only; docs/trainer-contract.md describes them, the spec, the folders and
the exit status: 0 after `result`, 1 after `error`, 130 after `stopped`.
"""

import argparse
import math
import shutil
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from environment import set_environment
from events import Events
from failures import Stopped, TrainerError, failure_of
from spec import Spec, load_spec

if TYPE_CHECKING:
    from progress import Progress, StopRequest
    from rows import Row
    from scoring import Score
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl.trainer.sft_trainer import SFTTrainer


SPLITS = ("train", "held_out")
DEFAULT_MAX_LENGTH = 1024  # TRL's own


@dataclass(frozen=True)
class Run:
    """One run and its edges."""

    spec: Spec
    spec_path: Path
    model: Path
    rows: Path
    out: Path
    resume: bool
    events: Events
    stop: "StopRequest"
    begun: float


def main() -> int:
    """Runs one spec and returns the exit status."""
    begun = time.monotonic()
    arguments = parse_arguments()
    events = Events()
    set_environment()
    try:
        spec = load_spec(arguments.spec)
        from progress import StopRequest

        run = Run(
            spec=spec,
            spec_path=arguments.spec,
            model=arguments.model,
            rows=arguments.data,
            out=arguments.out,
            resume=arguments.resume,
            events=events,
            stop=StopRequest(events),
            begun=begun,
        )
        return train(run)
    except Stopped as stopped:
        events.emit("stopped", step=stopped.step)
        return 130
    except Exception as error:
        traceback.print_exc()
        code, message = failure_of(error, arguments.out)
        events.emit("error", code=code, message=message)
        return 1


def parse_arguments() -> argparse.Namespace:
    """Reads argv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("spec", "model", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


def train(run: Run) -> int:
    """Goes through the phases: load, score_base, train, save, score_tuned.

    Returns:
        The exit status of a whole run, 0.

    Raises:
        Stopped: when a stop was wanted; a training has saved a checkpoint before.
        TrainerError: what the phases raise.
    """
    from checkpoints import fingerprint
    from fitting import make_trainer, train_loss
    from loading import load_model, load_tokenizer
    from memory import peak_memory_gib

    run.events.started()
    run.events.emit("phase", phase="load")
    tokenizer = load_tokenizer(run.model)
    train_rows, held_out = load_splits(run, tokenizer)
    model = load_model(run.spec, run.model)
    base = score_phase(run, "base", model, tokenizer, held_out)
    identity = fingerprint(run.spec_path, run.rows / "train.jsonl")
    trainer = make_trainer(run.spec, model, tokenizer, train_rows, run.out / "checkpoints", progress_of(run, identity))
    emit_model(run, trainer)
    run.events.emit("phase", phase="train")
    train_begun = time.monotonic()
    trainer.train(resume_from_checkpoint=checkpoint_of(run, identity))
    train_duration_ms = milliseconds_since(train_begun)
    step = trainer.state.global_step
    if step < trainer.state.max_steps:
        raise Stopped(step)
    output = save_phase(run, trainer, tokenizer)
    tuned = score_phase(run, "tuned", cast("PreTrainedModel", trainer.model), tokenizer, held_out)
    emit_examples(run, held_out, base, tuned)
    run.events.emit(
        "result",
        steps=step,
        train_loss=train_loss(trainer),
        tokens=int(trainer.state.num_input_tokens_seen),
        train_duration_ms=train_duration_ms,
        duration_ms=milliseconds_since(run.begun),
        peak_memory_gib=peak_memory_gib(),
        output=output,
    )
    return 0


def load_splits(run: Run, tokenizer: "PreTrainedTokenizerBase") -> tuple[list["Row"], list["Row"]]:
    """Loads training and held-out rows and tells their size, and how many rows are longer than `max_length`."""
    from rows import load_rows

    splits = [load_rows(run.rows / f"{name}.jsonl", tokenizer) for name in SPLITS]
    limit = run.spec.trainer.get("max_length", DEFAULT_MAX_LENGTH)
    if all(len(row.prompt_ids) >= limit for row in splits[0]):
        raise TrainerError(
            "DATA_INVALID", f"every prompt fills max_length ({limit} tokens): no answer is left to learn"
        )
    lengths = [len(row.prompt_ids) + len(row.completion_ids) for row in splits[0]]
    run.events.emit(
        "data",
        train_rows=len(splits[0]),
        held_out_rows=len(splits[1]),
        train_tokens=sum(lengths),
        longest_row_tokens=max(lengths),
        truncated_rows=sum(length > limit for length in lengths),
    )
    return splits[0], splits[1]


def score_phase(
    run: Run,
    subject: str,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: list["Row"],
) -> "Score":
    """Scores base or tuned model on the held-out rows and tells it.

    Raises:
        TrainerError: MODEL_INVALID for a base and LOSS_DIVERGED for a tuned model whose loss is not finite.
    """
    from scoring import score

    run.events.emit("phase", phase=f"score_{subject}")
    total = min(len(rows), run.spec.evaluation.limit or len(rows))

    def on_progress(done: int) -> None:
        run.events.emit("score_progress", subject=subject, done=done, rows=total)
        run.stop.check()

    result = score(model, tokenizer, rows, run.spec.evaluation, on_progress)
    run.events.emit("score", subject=subject, **result.fields())
    if not math.isfinite(result.loss):
        code = "MODEL_INVALID" if subject == "base" else "LOSS_DIVERGED"
        raise TrainerError(code, f"the {subject} model's loss on the held-out rows is not a number")
    return result


def progress_of(run: Run, identity: str) -> "Progress":
    """Makes the callback that turns steps into events and marks checkpoints complete."""
    from checkpoints import mark_complete
    from progress import Progress

    return Progress(run.events, run.stop, on_saved=lambda checkpoint: mark_complete(checkpoint, identity))


def checkpoint_of(run: Run, identity: str) -> str | None:
    """Finds the checkpoint to go on from; without --resume earlier ones are in the way and go."""
    from checkpoints import newest_complete

    folder = run.out / "checkpoints"
    if not run.resume:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    found = newest_complete(folder, identity)
    note = f"resuming from {found.name}" if found else "no checkpoint to resume from: starting at the beginning"
    sys.stderr.write(f"{note}\n")
    return None if found is None else str(found)


def emit_model(run: Run, trainer: "SFTTrainer") -> None:
    """Tells the size of the model and of the part that is trained."""
    parameters = list(cast("PreTrainedModel", trainer.model).parameters())
    run.events.emit(
        "model",
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable_parameters=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        dtype=str(parameters[0].dtype).removeprefix("torch."),
    )


def save_phase(run: Run, trainer: "SFTTrainer", tokenizer: "PreTrainedTokenizerBase") -> str:
    """Saves what was trained and says which: `adapter` or `model`."""
    from fitting import save_adapter, save_model

    run.events.emit("phase", phase="save")
    if run.spec.method == "full":
        save_model(trainer.model, tokenizer, run.out / "model")
        return "model"
    save_adapter(run.spec, trainer.model, run.out / "adapter")
    return "adapter"


def emit_examples(run: Run, rows: list["Row"], base: "Score", tuned: "Score") -> None:
    """Tells a few rows with both answers: the first ones, chosen by nobody."""
    for index, row in enumerate(rows[: min(run.spec.evaluation.examples, len(tuned.answers))]):
        run.events.emit(
            "example",
            row=index,
            prompt=row.prompt_text(),
            expected=row.completion,
            base=base.answers[index],
            tuned=tuned.answers[index],
        )


def milliseconds_since(begun: float) -> int:
    """Measures from a time.monotonic() in seconds."""
    return round((time.monotonic() - begun) * 1000)


if __name__ == "__main__":
    raise SystemExit(main())
