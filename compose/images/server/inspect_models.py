"""Writes down, while the image is built, what vLLM would find out about each model architecture at every start.

    python /mlx/server/inspect_models.py FOLDER    writes FOLDER/modelinfos/*.json

vLLM imports itself in a second process to inspect a model's class, and keeps the answer in a cache that a read-only
container loses: about 6 s of one core at every start. An architecture that cannot be inspected here is inspected at
the start, as usual.
"""

import logging
import os
import sys


def main() -> None:
    os.environ["VLLM_CACHE_ROOT"] = sys.argv[1]
    from vllm.model_executor.models import registry

    logging.disable(logging.ERROR)
    # Here nothing needs shielding from CUDA, and one process for each of 118 architectures would take minutes.
    registry._run_in_subprocess = lambda inspect: inspect()
    models = {name: registry.ModelRegistry.models[name] for name in registry._TEXT_GENERATION_MODELS}
    failed = [name for name, model in models.items() if not is_inspected(model)]
    sys.stdout.write(f"{len(models) - len(failed)} architectures, left out: {' '.join(failed) or 'none'}\n")


def is_inspected(model) -> bool:
    try:
        model.inspect_model_cls()
    except Exception as error:  # whatever an architecture's module needs and this machine lacks
        sys.stdout.write(f"{model.module_name}: {error}\n")
        return False
    return True


if __name__ == "__main__":
    main()
