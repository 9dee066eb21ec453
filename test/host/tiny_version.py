"""Makes a base model of a few thousand parameters and a LoRA adapter for it, so that serving can be tested in seconds.

    python tiny_version.py OUT      writes OUT/base and OUT/adapter
"""

import sys
from pathlib import Path

TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant: "


def main() -> None:
    """Seeded: the same weights each time."""
    import torch
    from peft import LoraConfig, get_peft_model
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, set_seed

    out = Path(sys.argv[1])
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([], trainers.BpeTrainer(special_tokens=["<|end|>"], initial_alphabet=alphabet))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(out / "base")

    set_seed(1)
    shape = Qwen3Config(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=256, eos_token_id=0, pad_token_id=0,
    )
    network = Qwen3ForCausalLM(shape)
    network.save_pretrained(out / "base")
    tuned = get_peft_model(network, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    tuned.save_pretrained(out / "adapter")
    print("made with torch", torch.__version__)


if __name__ == "__main__":
    main()
