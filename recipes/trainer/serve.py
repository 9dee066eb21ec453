"""Serves one model, or one model with an adapter, by transformers' own server on a unix socket.

    python serve.py --model DIR [--adapter DIR] [--max-model-len TOKENS] --name NAME --socket PATH

For machines without a GPU; elsewhere vLLM serves. Answers /health, /v1/models, /v1/chat/completions, /v1/completions
and /v1/responses for NAME alone; what it cannot do it refuses (questions.py).
Events on stdout: `started`, `ready`, `error` (docs/trainer-contract.md).
SIGTERM finishes the open answers and ends.
"""

import argparse
import json
import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environment import set_environment, without_bitsandbytes
from events import Events
from failures import failure_of
from refusals import speak_openai

if TYPE_CHECKING:
    from fastapi import FastAPI
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.cli.serving.model_manager import ModelManager


def main() -> int:
    """Serves until SIGTERM and returns the exit status."""
    arguments = parse_arguments()
    events = Events()
    set_environment()
    begun = time.monotonic()
    try:
        events.started()
        model, tokenizer = load_model(arguments.model, arguments.adapter)
        app = build_app(arguments.name, arguments.max_model_len, model, tokenizer)
        serve(app, arguments.socket, lambda: events.emit("ready", duration_ms=1000 * (time.monotonic() - begun)))
        return 0
    except Exception as error:
        traceback.print_exc()
        code, message = failure_of(error, arguments.socket.parent)
        events.emit("error", code=code, message=message)
        return 1


def parse_arguments() -> argparse.Namespace:
    """Reads argv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, help="folder of a LoRA adapter for it")
    parser.add_argument("--max-model-len", type=int, help="most tokens of prompt and answer; default: the model's own")
    parser.add_argument("--name", required=True, help="the name that requests use")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to listen on")
    return parser.parse_args()


def build_app(name: str, window: int | None, model: "PreTrainedModel", tokenizer: Any) -> "FastAPI":
    """Puts a loaded model behind transformers' routes.

    Args:
        name: that requests use.
        window: most tokens of prompt and answer together; None: the model's own.
    """
    from answers import Chat, Completion, Responses
    from generation import OneModel
    from leaving import EndsWithClient
    from transformers.cli.serving.server import build_server
    from transformers.cli.serving.transcription import TranscriptionHandler

    manager = pinned_manager(name, model, tokenizer)
    state = OneModel(window_of(model, window))
    app = build_server(
        manager,
        Chat(model_manager=manager, generation_state=state),
        completion_handler=Completion(model_manager=manager, generation_state=state),
        response_handler=Responses(model_manager=manager, generation_state=state),
        transcription_handler=TranscriptionHandler(manager, state),
        generation_state=state,
    )
    speak_openai(app)
    app.add_middleware(EndsWithClient)
    return app


def window_of(model: "PreTrainedModel", wanted: int | None) -> int | None:
    """Says how many tokens prompt and answer may have together: what was wanted, but not more than the model knows."""
    known = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min((tokens for tokens in (wanted, known) if tokens), default=None)


def load_model(model: Path, adapter: Path | None) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Loads the weights once; an adapter is merged into them, which answers faster than applying it at every layer.

    Args:
        model: folder of the base model, safetensors.
        adapter: folder with adapter_config.json and adapter_model.safetensors.
    Returns:
        the model in the dtype of its weights, and its tokenizer (the adapter's own, if it brings one).
    """
    if not is_quantised(model):
        without_bitsandbytes()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype="auto", local_files_only=True, use_safetensors=True)
    if adapter is not None:
        from peft import PeftModel

        adapted = PeftModel.from_pretrained(loaded, str(adapter), local_files_only=True)
        require_effect(adapted)
        # PEFT's and transformers' types disagree on what merging returns; it is the base model's class.
        loaded: Any = adapted.merge_and_unload()
    tokenizer = adapter if adapter is not None and (adapter / "tokenizer.json").exists() else model
    return loaded.eval(), AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)


def require_effect(adapted: "PeftModel") -> None:
    """Refuses an adapter that would leave the base model as it is.

    LoRA's B matrices start at zero (Hu et al. 2021, arXiv:2106.09685, section 4.1) and stay so where the file's names
    do not fit the model: PEFT then only warns.

    Raises:
        ValueError: every B matrix is zero.
    """
    if not any("lora_B" in name and bool(value.any()) for name, value in adapted.named_parameters()):
        raise ValueError("the adapter changes nothing: its weights are zero, or were made for another model")


def is_quantised(model: Path) -> bool:
    """Looks whether the base's weights are, which may need bitsandbytes."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    return config.get("quantization_config") is not None


def pinned_manager(name: str, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> "ModelManager":
    """Makes the model manager that transformers' handlers want, of one model that is there already.

    The handlers ask it by name for every request; it has this one, whatever the request says (the gateway chose it).
    """
    from transformers.cli.serving.model_manager import ModelManager

    manager = ModelManager(device=str(model.device))
    pinned: Any = manager
    pinned.load_model_and_processor = lambda *_, **__: (model, tokenizer)
    pinned.process_model_name = lambda _: name
    listed = [{"id": name, "object": "model", "created": int(time.time()), "owned_by": "mlx"}]
    pinned.get_gen_models = lambda *_: listed
    return manager


def serve(app: "FastAPI", socket: Path, on_ready: Any) -> None:
    """Listens on the socket, for its owner alone, until SIGTERM."""
    import uvicorn

    # The socket is made by uvicorn, which opens it to everybody afterwards: its folder has to keep others out.
    os.umask(0o077)
    socket.unlink(missing_ok=True)
    config = uvicorn.Config(app, uds=str(socket), log_level="warning", access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    startup = server.startup

    async def startup_and_tell(*arguments: Any, **named: Any) -> None:
        await startup(*arguments, **named)
        if server.started:
            socket.chmod(0o600)
            on_ready()

    server.startup = startup_and_tell
    server.run()


if __name__ == "__main__":
    raise SystemExit(main())
