"""Training and held-out rows: read from JSON lines, checked, and cut into tokens by the model's chat template."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from failures import TrainerError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROLES = ("system", "user", "assistant", "tool")
PROBLEMS_SHOWN = 5
IGNORED = -100  # the label that torch's cross-entropy leaves out


@dataclass(frozen=True)
class Row:
    """One row: a prompt, the completion to learn, and their tokens.

    `generation_ids` is the prompt as a server would render it; `prompt_ids` the part of it that precedes the completion
    in a whole conversation. With most chat templates they are the same.
    """

    prompt: list[dict[str, str]]
    completion: str
    generation_ids: list[int]
    prompt_ids: list[int]
    completion_ids: list[int]

    def prompt_text(self) -> str:
        """Writes the prompt for people: one message alone as it stands, several with their roles."""
        if len(self.prompt) == 1:
            return self.prompt[0]["content"]
        return "\n".join(f"{message['role']}: {message['content']}" for message in self.prompt)


def load_rows(path: Path, tokenizer: "PreTrainedTokenizerBase") -> list[Row]:
    """Reads one split.

    Args:
        path: a JSON lines file of `{"prompt": [message, ...], "completion": [message]}`.
        tokenizer: with a chat template.

    Returns:
        The rows in file order.

    Raises:
        TrainerError: DATA_INVALID with the first problems and their lines, or when there is no row.
    """
    try:
        # No splitlines(): a row may hold U+2028 and its like as they are, and those end no line of JSON.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainerError("DATA_INVALID", f"{path.name} cannot be read: {error}") from error
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parsed, problem = parse_row(line)
        if problem:
            problems.append(f"line {number}: {problem}")
        else:
            rows.append(parsed)
    if problems:
        more = f"; {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
        raise TrainerError("DATA_INVALID", f"{path.name}: " + "; ".join(problems[:PROBLEMS_SHOWN]) + more)
    if not rows:
        raise TrainerError("DATA_INVALID", f"{path.name} has no row")
    return [encode(prompt, completion, tokenizer) for prompt, completion in rows]


def parse_row(line: str) -> tuple[Any, str | None]:
    """Parses one line into prompt and completion, or says what is wrong with it."""
    try:
        row = json.loads(line)
    except ValueError as error:
        return None, f"no JSON ({error})"
    if not isinstance(row, dict) or not {"prompt", "completion"} <= row.keys():
        return None, "it must be an object with prompt and completion"
    for name in ("prompt", "completion"):
        if not isinstance(row[name], list) or not row[name] or not all(is_message(entry) for entry in row[name]):
            return None, f"{name} must be a list of messages with role and content"
    if len(row["completion"]) != 1 or row["completion"][0]["role"] != "assistant":
        return None, "completion must be one message of the assistant"
    return (row["prompt"], row["completion"][0]), None


def is_message(entry: Any) -> bool:
    """Checks the shape of a message."""
    return isinstance(entry, dict) and entry.get("role") in ROLES and isinstance(entry.get("content"), str)


def encode(
    prompt: list[dict[str, str]],
    completion: dict[str, str],
    tokenizer: "PreTrainedTokenizerBase",
) -> Row:
    """Cuts a row into tokens.

    The completion begins where the tokens of the prompt alone and of the whole row part, as in TRL's SFTTrainer: some
    templates render the assistant's turn differently once it is written.
    """
    generation_ids = template_ids(tokenizer, prompt, add_generation_prompt=True)
    whole_ids = template_ids(tokenizer, [*prompt, completion], add_generation_prompt=False)
    common = next(
        (index for index, pair in enumerate(zip(generation_ids, whole_ids, strict=False)) if pair[0] != pair[1]),
        min(len(generation_ids), len(whole_ids)),
    )
    return Row(prompt, completion["content"], generation_ids, whole_ids[:common], whole_ids[common:])


def template_ids(
    tokenizer: "PreTrainedTokenizerBase",
    messages: list[dict[str, str]],
    *,
    add_generation_prompt: bool,
) -> list[int]:
    """Renders messages by the chat template.

    Raises:
        TrainerError: DATA_INVALID when the template refuses them, MODEL_INVALID when there is none.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise TrainerError("MODEL_INVALID", "the model has no chat template, and rows are conversations")
    try:
        encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=add_generation_prompt, return_dict=True)
    except TemplateError as error:
        raise TrainerError("DATA_INVALID", f"the model's chat template refuses a row: {error}") from error
    return cast("dict[str, list[int]]", encoded)["input_ids"]


def training_columns(rows: list[Row]) -> dict[str, list[list[int]]]:
    """Lays rows out as TRL takes them ready-made: `input_ids`, and `labels` that leave the prompt out of the loss."""
    return {
        "input_ids": [row.prompt_ids + row.completion_ids for row in rows],
        "labels": [[IGNORED] * len(row.prompt_ids) + row.completion_ids for row in rows],
    }
