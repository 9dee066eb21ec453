"""Makes the demo's base model: a small Qwen3 with its own tokenizer, pre-trained for about a minute on two cores.

    python make_base.py --out DIR

The text is generated (base_text.py), every draw is seeded, so one machine makes the same bytes every time. DIR is
written whole or not at all. Events on stdout: `started`, `step`, `result`, `error` (docs/trainer-contract.md).
"""
