"""Makes the demo's base model: a small Qwen3 with its own tokenizer, pre-trained for about a minute on two cores.

    python make_base.py --out DIR

The text is generated (base_text.py), every draw is seeded, so one machine makes the same bytes every time. DIR is
written whole or not at all. Events on stdout: `started`, `step`, `result`, `error` (docs/trainer-contract.md).
"""

import argparse
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from environment import set_environment
from events import Events
from failures import failure_of

if TYPE_CHECKING:
    import torch
    from base_model import Shape
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

SEED = 7
STEPS = 300
BATCH_ROWS = 32
LEARNING_RATE = 3e-3
TOKENIZER_ROWS = 4000
LOG_EVERY = 20
SORTED_BATCHES = 8  # rows of so many batches are sorted by length together, so that little is padded
IGNORED = -100
WIDTH_STEP = 32  # tokens


def main() -> int:
    """Makes the model and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS, help="fewer make a quick, bad model, for tests")
    arguments = parser.parse_args()
    events = Events()
    set_environment()
    begun = time.monotonic()
    try:
        from base_model import Shape

        events.started()
        model, tokenizer = make_model(Shape(), arguments.steps, events)
        save(model, tokenizer, arguments.out)
        events.emit("result", duration_ms=round((time.monotonic() - begun) * 1000), output="model")
        return 0
    except Exception as error:
        traceback.print_exc()
        code, message = failure_of(error, arguments.out)
        events.emit("error", code=code, message=message)
        return 1


def make_model(shape: "Shape", steps: int, events: Events) -> "tuple[Qwen3ForCausalLM, PreTrainedTokenizerFast]":
    """Draws the text, trains the tokenizer on a part of it and the network on all of it.

    Args:
        shape: of the network.
        steps: optimiser steps, BATCH_ROWS rows each.
        events: told every LOG_EVERY steps.
    """
    import torch
    from base_model import chat_text, make_network, make_tokenizer
    from base_text import base_rows
    from transformers import get_cosine_schedule_with_warmup, set_seed

    rows = base_rows(SEED, max(steps * BATCH_ROWS, TOKENIZER_ROWS))
    tokenizer = make_tokenizer((chat_text(row) for row in rows[:TOKENIZER_ROWS]), shape.vocabulary)
    set_seed(SEED)
    network = make_network(shape, tokenizer).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = get_cosine_schedule_with_warmup(optimizer, steps // 20, steps)
    begun, tokens = time.monotonic(), 0
    for step, batch in enumerate(batches(encode(rows[: steps * BATCH_ROWS], tokenizer)), start=1):
        input_ids, attention_mask, labels = tensors(batch, cast("int", tokenizer.pad_token_id))
        with torch.autocast("cpu", torch.bfloat16):
            loss = network(input_ids=input_ids, attention_mask=attention_mask, labels=labels).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        tokens += int(attention_mask.sum())
        if step % LOG_EVERY == 0 or step == steps:
            report(events, step, steps, loss.item(), norm.item(), float(schedule.get_last_lr()[0]), tokens, begun)
    return network.eval(), tokenizer


def encode(rows: list[tuple[str, str]], tokenizer: "PreTrainedTokenizerFast") -> list[tuple[list[int], int]]:
    """Cuts rows into tokens: those of prompt and answer, and how many are the prompt's."""
    from base_model import END, START

    prompts = tokenizer([f"{START}user\n{prompt}{END}\n{START}assistant\n" for prompt, _ in rows])["input_ids"]
    answers = tokenizer([f"{answer}{END}\n" for _, answer in rows])["input_ids"]
    return [(prompt + answer, len(prompt)) for prompt, answer in zip(prompts, answers, strict=True)]


def batches(rows: list[tuple[list[int], int]]) -> Iterator[list[tuple[list[int], int]]]:
    """Yields every row once, rows of like length together, the batches of a group in an order of their own."""
    import random

    draw = random.Random(SEED)
    size = BATCH_ROWS * SORTED_BATCHES
    for start in range(0, len(rows), size):
        group = sorted(rows[start : start + size], key=lambda row: len(row[0]))
        grouped = [group[place : place + BATCH_ROWS] for place in range(0, len(group), BATCH_ROWS)]
        yield from draw.sample(grouped, len(grouped))


def tensors(batch: list[tuple[list[int], int]], pad: int) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """Lays a batch out; only the answers count in the loss.

    Returns:
        token ids, attention mask and labels, each rows x longest row.
    """
    import torch

    # A few widths only: for each new one oneDNN compiles its bfloat16 kernels anew, which takes longer than a step.
    width = -(-max(len(ids) for ids, _ in batch) // WIDTH_STEP) * WIDTH_STEP
    input_ids = [ids + [pad] * (width - len(ids)) for ids, _ in batch]
    mask = [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in batch]
    labels = [[IGNORED] * prompt + ids[prompt:] + [IGNORED] * (width - len(ids)) for ids, prompt in batch]
    return torch.tensor(input_ids), torch.tensor(mask), torch.tensor(labels)


def report(
    events: Events, step: int, steps: int, loss: float, norm: float, rate: float, tokens: int, begun: float
) -> None:
    """Writes one `step` event; `tokens` were seen since `begun` (seconds of time.monotonic)."""
    from memory import memory_gib

    seconds = max(1e-9, time.monotonic() - begun)
    events.emit(
        "step",
        step=step,
        total_steps=steps,
        epoch=step / steps,
        loss=loss,
        learning_rate=rate,
        grad_norm=norm,
        tokens_per_second=tokens / seconds,
        memory_gib=memory_gib(),
        eta_ms=round(seconds / step * (steps - step) * 1000),
    )


def save(model: "Qwen3ForCausalLM", tokenizer: "PreTrainedTokenizerFast", folder: Path) -> None:
    """Writes the model folder, whole or not at all."""
    from fitting import empty

    partial = empty(folder / ".writing")
    model.save_pretrained(partial, safe_serialization=True)
    tokenizer.save_pretrained(partial)
    # The folder may be a mount: it cannot be replaced, nor written beside. Its files can, the weights last.
    for path in sorted(partial.iterdir(), key=lambda path: path.suffix == ".safetensors"):
        os.replace(path, folder / path.name)
    partial.rmdir()


if __name__ == "__main__":
    raise SystemExit(main())
