"""The environment that the scripts set before torch is imported: the same bytes on one thread and on two."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]

# A gradient of a LoRA matrix is such a product: small, with a long sum over tokens, which MKL splits among threads.
PRODUCT = """
from environment import set_environment
set_environment()
import hashlib, torch
torch.manual_seed(0)
product = torch.randn(192, 4096) @ torch.randn(4096, 32)
print(torch.get_num_threads(), hashlib.sha256(product.numpy().tobytes()).hexdigest())
"""


def product_on(threads: int) -> list[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCT], cwd=SCRIPTS, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_product_with_a_long_sum_has_the_same_bytes_on_one_thread_and_on_two():
    one, two = product_on(1), product_on(2)
    assert (one[0], two[0]) == ("1", "2")
    assert one[1] == two[1]


def test_fast_is_left_fast():
    script = "from environment import set_environment; set_environment(); import os; print(sorted(os.environ))"
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=SCRIPTS, env=environment, capture_output=True, text=True, check=True
    )
    assert "MKL_CBWR" in done.stdout
    assert "CUBLAS_WORKSPACE_CONFIG" not in done.stdout
