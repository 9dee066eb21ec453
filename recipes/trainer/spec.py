"""Reads spec.json: checks everything, names all problems at once, and changes nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from failures import TrainerError

METHODS = ("lora", "qlora", "dora", "full")
DETERMINISM = ("bit-exact", "fast")

Number = (int, float)
LORA = {
    "r": int,
    "lora_alpha": Number,
    "lora_dropout": Number,
    "target_modules": (str, list),
    "use_rslora": bool,
}
TRAINER = {
    "num_train_epochs": Number,
    "max_steps": int,
    "learning_rate": Number,
    "lr_scheduler_type": str,
    "warmup_steps": Number,
    "per_device_train_batch_size": int,
    "gradient_accumulation_steps": int,
    "max_length": int,
    "weight_decay": Number,
    "max_grad_norm": Number,
    "optim": str,
    "packing": bool,
    "gradient_checkpointing": bool,
    "bf16": bool,
    "logging_steps": Number,
    "save_steps": Number,
}
EVALUATION = {"max_new_tokens": int, "batch_size": int, "limit": int, "examples": int}
FIELDS = {
    "schema": int,
    "run_id": str,
    "base_model": str,
    "method": str,
    "seed": int,
    "determinism": str,
    "lora": dict,
    "trainer": dict,
    "evaluation": dict,
}
OPTIONAL = ("base_model", "lora", "evaluation")


@dataclass(frozen=True)
class Evaluation:
    """How the held-out rows are scored; `limit` None means all of them."""

    max_new_tokens: int = 128
    batch_size: int = 32
    limit: int | None = None
    examples: int = 3


@dataclass(frozen=True)
class Spec:
    """One resolved training run; `lora` and `trainer` carry PEFT's and TRL's own names."""

    run_id: str
    base_model: str
    method: str
    seed: int
    determinism: str
    lora: dict[str, Any]
    trainer: dict[str, Any]
    evaluation: Evaluation


def load_spec(path: Path) -> Spec:
    """Reads and checks a spec file.

    Args:
        path: of spec.json.

    Returns:
        The spec; a trainer or LoRA value that was null is left out, so that the library's default holds.

    Raises:
        TrainerError: SPEC_INVALID with every problem found.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError("SPEC_INVALID", f"{path.name} cannot be read: {error}") from error
    problems = problems_of(fields)
    if problems:
        raise TrainerError("SPEC_INVALID", f"{path.name}: " + "; ".join(problems))
    return Spec(
        run_id=fields["run_id"],
        base_model=fields.get("base_model") or "base",
        method=fields["method"],
        seed=fields["seed"],
        determinism=fields["determinism"],
        lora=without_nulls(fields.get("lora")),
        trainer=without_nulls(fields["trainer"]),
        evaluation=Evaluation(**without_nulls(fields.get("evaluation"))),
    )


def problems_of(fields: Any) -> list[str]:
    """Lists what is wrong with a parsed spec."""
    if not isinstance(fields, dict):
        return ["it must be an object"]
    problems = check_types("", fields, FIELDS)
    problems += [f"{name} is missing" for name in FIELDS if name not in fields and name not in OPTIONAL]
    for section, kinds in (("lora", LORA), ("trainer", TRAINER), ("evaluation", EVALUATION)):
        if isinstance(fields.get(section), dict):
            problems += check_types(f"{section}.", fields[section], kinds)
    for name, choices in (("schema", (1,)), ("method", METHODS), ("determinism", DETERMINISM)):
        if name in fields and fields[name] not in choices:
            problems.append(f"{name} is {fields[name]!r}, not one of {', '.join(map(str, choices))}")
    if fields.get("method") in METHODS[:3] and not (fields.get("lora") or {}).get("target_modules"):
        problems.append(f"lora.target_modules is missing, and method {fields['method']} needs it")
    return problems


def check_types(prefix: str, fields: dict[str, Any], kinds: dict[str, Any]) -> list[str]:
    """Lists unknown names and wrong types; null always passes and means the library's default."""
    problems = []
    for name, value in fields.items():
        if name not in kinds:
            problems.append(f"{prefix}{name} is unknown")
        elif value is not None and not is_kind(value, kinds[name]):
            problems.append(f"{prefix}{name} is {json.dumps(value)}, which has the wrong type")
    return problems


def is_kind(value: Any, kind: Any) -> bool:
    """Checks a type; true and false are no numbers."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind)


def without_nulls(fields: dict[str, Any] | None) -> dict[str, Any]:
    """Leaves out what is null."""
    return {name: value for name, value in (fields or {}).items() if value is not None}
