"""Scores a model on held-out rows: loss and perplexity of the right answers, exact match of the generated ones."""

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rows import Row
from spec import Evaluation

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

THINKING = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)


@dataclass(frozen=True)
class Score:
    """What one model reached; `loss` is in nats per completion token, `answers` stand in the order of the rows."""

    loss: float
    exact_match: float
    rows: int
    tokens: int
    duration_ms: int
    answers: list[str]

    def fields(self) -> dict[str, float | int]:
        """Lists what the `score` event carries."""
        return {
            "loss": self.loss,
            "perplexity": math.exp(min(self.loss, 700.0)),
            "exact_match": self.exact_match,
            "rows": self.rows,
            "tokens": self.tokens,
            "duration_ms": self.duration_ms,
        }


def score(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: list[Row],
    evaluation: Evaluation,
    on_progress: Callable[[int], None],
) -> Score:
    """Scores a model without touching its weights or a random generator.

    Args:
        model: base or tuned; a PEFT model is scored with its adapter.
        tokenizer: the model's own.
        rows: held-out rows.
        evaluation: batch size, new tokens at most, and how many rows.
        on_progress: told the number of rows done after each batch; may raise to stop.

    Returns:
        The score over the first `evaluation.limit` rows.
    """
    import torch

    begun = time.monotonic()
    rows = rows[: evaluation.limit]
    answers = [""] * len(rows)
    nats, tokens, done = 0.0, 0, 0
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for indexes in batches(rows, evaluation.batch_size):
            batch = [rows[index] for index in indexes]
            nats += batch_nats(model, tokenizer, batch)
            tokens += sum(len(row.completion_ids) for row in batch)
            generated = generate(model, tokenizer, batch, evaluation.max_new_tokens)
            for index, answer in zip(indexes, generated, strict=True):
                answers[index] = answer
            done += len(batch)
            on_progress(done)
    model.train(was_training)
    matches = sum(is_exact(answer, row.completion) for answer, row in zip(answers, rows, strict=True))
    duration_ms = round((time.monotonic() - begun) * 1000)
    return Score(nats / tokens, matches / len(rows), len(rows), tokens, duration_ms, answers)


def batches(rows: list[Row], size: int) -> Iterator[list[int]]:
    """Groups row numbers by length of the prompt, longest first, so that padding is small and memory fails early."""
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index].generation_ids))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def batch_nats(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", batch: list[Row]) -> float:
    """Sums the negative log likelihood of the completions, given their prompts.

    Rows are padded on the left, so that all completions end in the last column and the head has to compute logits
    (rows x longest completion + 1 x vocabulary) for those columns only.
    """
    import torch

    ids, mask = left_padded([row.prompt_ids + row.completion_ids for row in batch], tokenizer, model.device)
    longest = max(len(row.completion_ids) for row in batch)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    output = model(
        input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=longest + 1, use_cache=False
    )
    total = 0.0
    for index, row in enumerate(batch):
        count = len(row.completion_ids)
        logits = output.logits[index, -count - 1 : -1].float()
        total += torch.nn.functional.cross_entropy(logits, ids[index, -count:], reduction="sum").item()
    return total


def generate(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", batch: list[Row], max_new_tokens: int
) -> list[str]:
    """Answers prompts greedily, all at once, with a key-value cache."""
    from transformers import GenerationConfig

    ids, mask = left_padded([row.generation_ids for row in batch], tokenizer, model.device)
    greedy = GenerationConfig(
        do_sample=False,
        use_cache=True,
        max_new_tokens=max_new_tokens,
        eos_token_id=end_tokens(model, tokenizer),
        pad_token_id=pad_token(tokenizer),
    )
    output = cast("Any", model).generate(input_ids=ids, attention_mask=mask, generation_config=greedy)
    return tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)


def end_tokens(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """Collects the tokens that end an answer: the model's own list and the tokenizer's."""
    configured: Any = getattr(model.generation_config, "eos_token_id", None)
    ends: list[int | None] = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [*ends, cast("int | None", tokenizer.eos_token_id)] if token is not None})


def pad_token(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Chooses what to pad with; the mask hides it, so any token does."""
    return cast("int", tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)


def left_padded(
    rows: list[list[int]], tokenizer: "PreTrainedTokenizerBase", device: "torch.device"
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Pads token lists on the left.

    Returns:
        Token ids and attention mask, each rows x longest row.
    """
    import torch

    width = max(len(row) for row in rows)
    pad = pad_token(tokenizer)
    ids = [[pad] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def is_exact(answer: str, expected: str) -> bool:
    """Compares an answer with the right one: as JSON values where both are JSON, as text without outer space else.

    What a thinking model writes between <think> tags is no part of its answer.
    """
    answer, expected = (THINKING.sub("", text).strip() for text in (answer, expected))
    if answer == expected:
        return True
    try:
        return canonical(answer) == canonical(expected)
    except ValueError:
        return False


def canonical(text: str) -> str:
    """Writes a JSON value in one way alone. As Python values, true and 1 would be equal.

    Raises:
        ValueError: when it is no JSON.
    """
    return json.dumps(json.loads(text, parse_float=number), sort_keys=True)


def number(text: str) -> int | float:
    """Reads 1.0 as 1; whole numbers are left exact, however long."""
    value = float(text)
    return int(value) if value.is_integer() else value
