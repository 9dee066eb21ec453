"""The parts of the demo's base model: its tokenizer, its network and its training text, each from plain values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, Qwen3ForCausalLM

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

# ChatML as the Qwen family writes it, without tools and thinking.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)


@dataclass(frozen=True)
class Shape:
    """Size of the network; a head is 64 wide because vLLM's CPU kernels serve no narrower one."""

    vocabulary: int = 2048
    hidden: int = 192
    layers: int = 3
    context: int = 1024


def make_tokenizer(texts: Iterable[str], vocabulary: int) -> "PreTrainedTokenizerFast":
    """Trains a byte-level BPE tokenizer, so that it can write any text, with ChatML's special tokens.

    Args:
        texts: what to learn the merges from.
        vocabulary: number of tokens, 256 bytes and 3 special tokens included.

    Returns:
        The tokenizer, with chat template, padding and end token.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def make_network(shape: Shape, tokenizer: "PreTrainedTokenizerFast") -> "Qwen3ForCausalLM":
    """Builds the untrained network; the caller has seeded torch."""
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    heads = shape.hidden // 64
    pad, end = cast("int", tokenizer.pad_token_id), cast("int", tokenizer.eos_token_id)
    network = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=shape.hidden,
            intermediate_size=3 * shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=heads,
            num_key_value_heads=max(1, heads // 2),
            head_dim=64,
            max_position_embeddings=shape.context,
            tie_word_embeddings=True,
            pad_token_id=pad,
            eos_token_id=end,
            bos_token_id=None,
        )
    )
    network.generation_config = GenerationConfig(eos_token_id=[end, pad], pad_token_id=pad, do_sample=False)
    return network


def chat_text(pair: tuple[str, str]) -> str:
    """Writes what user and assistant say as the chat template would."""
    return f"{START}user\n{pair[0]}{END}\n{START}assistant\n{pair[1]}{END}\n"


def token_blocks(
    texts: list[str], tokenizer: "PreTrainedTokenizerBase", length: int, user_weight: float
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Joins texts into blocks of equal length, so that no training step pads anything.

    Args:
        texts: rendered conversations of one question and one answer.
        tokenizer: cuts them into tokens.
        length: tokens in a block; what does not fill the last block is left out.
        user_weight: how much a token outside the answers counts in the loss; one inside counts 1.

    Returns:
        Token ids and their weights, each blocks x length.
    """
    import torch

    start = tokenizer.convert_tokens_to_ids(START)
    tokens: list[int] = []
    weights: list[float] = []
    for row in tokenizer(texts, add_special_tokens=False)["input_ids"]:
        # The answer begins after the second start, the role and its line end.
        answer = len(row) - row[::-1].index(start) + 2
        tokens += row
        weights += [user_weight] * answer + [1.0] * (len(row) - answer)
    whole = len(tokens) // length * length
    return torch.tensor(tokens[:whole]).view(-1, length), torch.tensor(weights[:whole]).view(-1, length)


def weighted_loss(logits: "torch.Tensor", tokens: "torch.Tensor", weights: "torch.Tensor") -> "torch.Tensor":
    """Averages the cross entropy of each next token by its weight.

    Args:
        logits: batch x length x vocabulary.
        tokens: ids, batch x length.
        weights: of the tokens, batch x length.
    """
    from torch.nn.functional import cross_entropy

    following = weights[:, 1:].flatten()
    losses = cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return (losses * following).sum() / following.sum()
