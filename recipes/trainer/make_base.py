"""Makes the demo's base model: a small Qwen3 with its own tokenizer, pre-trained for about a minute on two cores.

    python make_base.py --out DIR

The text is generated (base_text.py) and every draw is seeded, so one machine makes the same bytes every time. DIR is
written whole or not at all. Events on stdout: `started`, `step`, `result`, `error` (docs/trainer-contract.md).

Weights that are matrices are trained with Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/), the
rest with AdamW: with AdamW alone the minute is over before the model attends to what a message says.
"""

import argparse
import os
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from base_model import Shape, chat_text, make_network, make_tokenizer, token_blocks, weighted_loss
from base_text import base_rows
from environment import set_environment
from events import Events
from failures import failure_of
from memory import memory_gib

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

SEED = 7
STEPS = 360
ROWS = 15_000
BLOCK_TOKENS = 256
BLOCKS_PER_STEP = 8
USER_WEIGHT = 0.1  # most of what customers write is chance; what the answers say is not
MUON_LEARNING_RATE = 0.03
ADAMW_LEARNING_RATE = 4e-3
LOG_EVERY = 10


@dataclass(frozen=True)
class ScheduledOptimizers:
    """The optimizers with their schedules."""

    optimizers: list["torch.optim.Optimizer"]
    schedules: list["torch.optim.lr_scheduler.LRScheduler"]


def main() -> int:
    """Makes the model and returns the exit status."""
    begun = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS, help="fewer make a quick, bad model, for tests")
    arguments = parser.parse_args()
    events = Events()
    set_environment()
    try:
        events.started()
        network, tokenizer = make_model(Shape(), arguments.steps, events)
        save(network, tokenizer, arguments.out)
    except Exception as error:
        traceback.print_exc()
        code, message = failure_of(error, arguments.out)
        events.emit("error", code=code, message=message)
        return 1
    events.emit("result", duration_ms=round((time.monotonic() - begun) * 1000), output="model")
    return 0


def make_model(shape: Shape, steps: int, events: Events) -> "tuple[Qwen3ForCausalLM, PreTrainedTokenizerFast]":
    """Draws the text, trains the tokenizer and then the network on it.

    Args:
        shape: of the network.
        steps: optimiser steps, BLOCKS_PER_STEP x BLOCK_TOKENS tokens each.
        events: told every LOG_EVERY steps.
    """
    from transformers import set_seed

    texts = [chat_text(pair) for pair in base_rows(SEED, ROWS)]
    tokenizer = make_tokenizer(texts, shape.vocabulary)
    set_seed(SEED)
    network = make_network(shape, tokenizer).train()
    pretrain(network, *token_blocks(texts, tokenizer, BLOCK_TOKENS, USER_WEIGHT), steps, events)
    return network.eval(), tokenizer


def pretrain(
    network: "Qwen3ForCausalLM", blocks: "torch.Tensor", weights: "torch.Tensor", steps: int, events: Events
) -> None:
    """Trains the network on the tokens of the blocks, in order, from the start again when they are used up.

    Args:
        network: changed in place.
        blocks: token ids, blocks x BLOCK_TOKENS.
        weights: of the tokens in the loss, blocks x BLOCK_TOKENS.
        steps: optimiser steps.
        events: told every LOG_EVERY steps.
    """
    import torch

    scheduled = make_optimizers(network, steps)
    begun = time.monotonic()
    for step in range(1, steps + 1):
        first = (step - 1) * BLOCKS_PER_STEP
        indexes = [index % len(blocks) for index in range(first, first + BLOCKS_PER_STEP)]
        batch = blocks[indexes]
        loss = weighted_loss(network(input_ids=batch, use_cache=False).logits, batch, weights[indexes])
        loss.backward()
        grad_norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        learning_rate = float(scheduled.schedules[0].get_last_lr()[0])
        for each in (*scheduled.optimizers, *scheduled.schedules):
            each.step()
        network.zero_grad(set_to_none=True)
        if step % LOG_EVERY and step < steps:
            continue
        seconds = time.monotonic() - begun
        events.emit(
            "step",
            step=step,
            total_steps=steps,
            epoch=step * BLOCKS_PER_STEP / len(blocks),
            loss=loss.item(),
            learning_rate=learning_rate,
            grad_norm=grad_norm.item(),
            tokens_per_second=step * batch.numel() / seconds,
            memory_gib=memory_gib(),
            eta_ms=round(seconds / step * (steps - step) * 1000),
        )


def make_optimizers(network: "Qwen3ForCausalLM", steps: int) -> ScheduledOptimizers:
    """Builds Muon for the matrices of the layers and AdamW for embeddings and norms, each with a cosine schedule."""
    import torch
    from transformers import get_cosine_schedule_with_warmup

    matrices, others = [], []
    for name, weight in network.named_parameters():
        (matrices if weight.ndim == 2 and "embed_tokens" not in name else others).append(weight)
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=MUON_LEARNING_RATE, weight_decay=0.01),
        torch.optim.AdamW(others, lr=ADAMW_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    return ScheduledOptimizers(
        optimizers, [get_cosine_schedule_with_warmup(each, steps // 20, steps) for each in optimizers]
    )


def save(network: "Qwen3ForCausalLM", tokenizer: "PreTrainedTokenizerFast", folder: Path) -> None:
    """Writes the model folder; the weights come last, so that a folder with weights is whole."""
    from fitting import empty

    partial = empty(folder / ".writing")
    network.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    # The folder may be a mount: it cannot be replaced, nor written beside. Its files can.
    for path in sorted(partial.iterdir(), key=lambda path: path.suffix == ".safetensors"):
        os.replace(path, folder / path.name)
    partial.rmdir()


if __name__ == "__main__":
    raise SystemExit(main())
