"""Builds TRL's trainer for a spec, seeded first, and saves what it made."""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rows import Row, training_columns
from spec import Spec

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
    from trl.trainer.sft_trainer import SFTTrainer

CHECKPOINTS_KEPT = 2  # the newest may be torn by a crash, the one before it is not


def make_trainer(
    spec: Spec,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: list[Row],
    checkpoints: Path,
    callback: "TrainerCallback",
) -> "SFTTrainer":
    """Builds the trainer.

    TRL up to 1.13 drew the LoRA matrices before it seeded (docs/log.md): here the seed is set before anything is built.

    Args:
        rows: training rows, tokens ready; the prompt is left out of the loss.
        checkpoints: folder for checkpoints.
        callback: told of steps, logs and saves.
    """
    import torch
    from datasets import Dataset
    from transformers import set_seed
    from transformers.trainer_callback import PrinterCallback
    from trl.trainer.sft_trainer import SFTTrainer

    set_seed(spec.seed)
    if spec.determinism == "bit-exact":
        # Kernels without a deterministic form warn instead of failing: CUDA has some that no setting replaces.
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Else every new tensor is filled first, which costs time and finds bugs of torch, not ours.
        torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    trainer = SFTTrainer(
        model=model,
        args=trainer_config(spec, checkpoints),
        train_dataset=Dataset.from_dict(cut(training_columns(rows), spec)),
        processing_class=tokenizer,
        peft_config=None if spec.method == "full" else lora_config(spec),
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)  # it would print every log once more, as Python text
    return trainer


def trainer_config(spec: Spec, checkpoints: Path) -> Any:
    """Fills TRL's SFTConfig from the spec; what the spec does not name keeps TRL's default."""
    import torch
    from trl.trainer.sft_config import SFTConfig

    on_gpu = torch.cuda.is_available()
    return SFTConfig(
        **{"bf16": True, "optim": "adamw_torch_fused" if on_gpu else "adamw_torch", **spec.trainer},
        output_dir=str(checkpoints),
        seed=spec.seed,
        use_cpu=not on_gpu,
        save_strategy="steps",
        save_total_limit=CHECKPOINTS_KEPT,
        logging_strategy="steps",
        logging_first_step=True,
        logging_nan_inf_filter=False,  # transformers would show the mean of the steps before in the place of NaN
        include_num_input_tokens_seen="non_padding",
        dataloader_num_workers=0,
        report_to="none",
        disable_tqdm=True,
    )


def lora_config(spec: Spec) -> "LoraConfig":
    """Fills PEFT's LoraConfig; DoRA (arXiv:2402.09353) is LoRA with a learnt magnitude."""
    from peft import LoraConfig

    return LoraConfig(**spec.lora, use_dora=spec.method == "dora", bias="none", task_type="CAUSAL_LM")


def cut(columns: dict[str, list[list[int]]], spec: Spec) -> dict[str, list[list[int]]]:
    """Cuts rows that are longer than max_length, as TRL does with rows that it tokenises itself."""
    limit = spec.trainer.get("max_length")
    return {name: [row[:limit] for row in rows] for name, rows in columns.items()}


def train_loss(trainer: "SFTTrainer") -> float:
    """Averages the logged losses over the steps that each stands for, those before a resume included.

    transformers' own `train_loss` divides what this process summed up by all steps, which is wrong after a resume.
    """
    total, last_step = 0.0, 0
    for log in trainer.state.log_history:
        if "loss" in log:
            total += float(log["loss"]) * (log["step"] - last_step)
            last_step = log["step"]
    return total / max(1, last_step)


def save_adapter(spec: Spec, model: Any, folder: Path) -> None:
    """Writes adapter_model.safetensors and adapter_config.json, the same bytes every time, whole or not at all.

    PEFT stores the base model's local path and a set of module names in an order of its own; both are made neutral.
    """
    partial = empty(folder.with_name(f"{folder.name}.partial"))
    model.save_pretrained(partial, safe_serialization=True)
    for path in partial.iterdir():
        if path.name not in ("adapter_model.safetensors", "adapter_config.json"):
            path.unlink()
    settings = json.loads((partial / "adapter_config.json").read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = spec.base_model
    for name, value in settings.items():
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            settings[name] = sorted(value)
    (partial / "adapter_config.json").write_text(
        json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    replace(partial, folder)


def save_model(model: Any, tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """Writes a whole model with its tokenizer, whole or not at all."""
    partial = empty(folder.with_name(f"{folder.name}.partial"))
    model.config.use_cache = True
    model.save_pretrained(partial, safe_serialization=True)
    tokenizer.save_pretrained(partial)
    replace(partial, folder)


def empty(folder: Path) -> Path:
    """Makes a folder that holds nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def replace(partial: Path, folder: Path) -> None:
    """Moves a finished folder into its place."""
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(partial, folder)
