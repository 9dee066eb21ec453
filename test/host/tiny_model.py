"""Makes a base model of two layers with the functions of the demo's own: seconds instead of a minute.

    python tiny_model.py TRAINER OUT      TRAINER is the folder recipes/trainer
"""

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import make_base  # noqa: E402
from base_model import Shape  # noqa: E402
from events import Events  # noqa: E402

if __name__ == "__main__":
    out = Path(sys.argv[2])
    out.mkdir(parents=True)
    network, tokenizer = make_base.make_model(Shape(vocabulary=512, hidden=64, layers=2), 3, Events())
    make_base.save(network, tokenizer, out)
