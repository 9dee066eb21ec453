"""Loads a model and its tokenizer from a folder: safetensors only, nothing remote, no code of the folder's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from failures import TrainerError, first_line, is_out_of_memory
from spec import Spec

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """Loads the tokenizer; one without a padding token pads with its end token.

    Raises:
        TrainerError: MODEL_INVALID.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise TrainerError("MODEL_INVALID", f"its tokenizer cannot be loaded: {first_line(error)}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(spec: Spec, folder: Path) -> "PreTrainedModel":
    """Loads the weights: bfloat16 on a GPU, float32 on a CPU, four bits with qlora.

    Raises:
        TrainerError: MODEL_INVALID, or SPEC_INVALID when this machine cannot quantise.
    """
    import torch
    from transformers import AutoModelForCausalLM

    on_gpu = torch.cuda.is_available()
    options: dict[str, Any] = {"dtype": torch.bfloat16 if on_gpu else torch.float32}
    if on_gpu:
        options["device_map"] = {"": 0}
    if spec.method == "qlora":
        options["quantization_config"] = four_bits()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        if is_out_of_memory(error):
            raise
        if spec.method == "qlora" and not on_gpu:
            message = f"method qlora needs a GPU here, this machine cannot quantise: {first_line(error)}"
            raise TrainerError("SPEC_INVALID", message) from error
        raise TrainerError("MODEL_INVALID", f"its weights cannot be loaded: {first_line(error)}") from error
    model.config.use_cache = False
    return model


def four_bits() -> Any:
    """Describes QLoRA's quantisation: NF4 with double quantisation (Dettmers et al. 2023, arXiv:2305.14314)."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
