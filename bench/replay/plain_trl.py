"""A LoRA training as TRL's documentation has it, with `seed` and nothing else about determinism.

    python plain_trl.py SPEC MODEL ROWS OUT

SPEC, MODEL and ROWS are those of a run of mlx: the same settings, base model and rows.
"""

import json
import sys
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def main() -> None:
    """Trains and saves the adapter."""
    spec_file, model, rows, out = sys.argv[1:]
    spec = json.loads(Path(spec_file).read_text(encoding="utf-8"))
    dataset = Dataset.from_list([json.loads(line) for line in Path(rows).read_text(encoding="utf-8").splitlines()])
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype="float32"),
        args=SFTConfig(**spec["trainer"], seed=spec["seed"], output_dir=out, report_to="none", use_cpu=True),
        train_dataset=dataset,
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=LoraConfig(**spec["lora"], task_type="CAUSAL_LM"),
    )
    trainer.train()
    trainer.model.save_pretrained(out)


if __name__ == "__main__":
    main()
