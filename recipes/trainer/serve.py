"""Serves one model, or one model with an adapter, by transformers' own server on a unix socket.

    python serve.py --model DIR [--adapter DIR] --name NAME --socket PATH

For machines without a GPU; elsewhere vLLM serves. Answers /health, /v1/models, /v1/chat/completions and
/v1/completions for NAME alone. Events on stdout: `started`, `ready`, `error` (docs/trainer-contract.md).
SIGTERM finishes the open answers and ends.
"""

import argparse
import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environment import set_environment
from events import Events
from failures import failure_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.cli.serving.model_manager import ModelManager

# Accepted for OpenAI's clients and without effect here: usage always ends a stream, and nothing is stored anywhere.
IGNORED_FIELDS = {"stream_options", "user", "metadata", "store", "service_tier", "parallel_tool_calls"}


def main() -> int:
    """Serves until SIGTERM and returns the exit status."""
    arguments = parse_arguments()
    events = Events()
    set_environment()
    begun = time.monotonic()
    try:
        events.started()
        app = build_app(arguments)
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
    parser.add_argument("--name", required=True, help="the name that requests use")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to listen on")
    return parser.parse_args()


def build_app(arguments: argparse.Namespace) -> "FastAPI":
    """Puts the loaded model behind transformers' routes."""
    from transformers.cli.serving.chat_completion import ChatCompletionHandler
    from transformers.cli.serving.completion import CompletionHandler
    from transformers.cli.serving.response import ResponseHandler
    from transformers.cli.serving.server import build_server
    from transformers.cli.serving.transcription import TranscriptionHandler
    from transformers.cli.serving.utils import GenerationState

    manager = pinned_manager(arguments.name, *load_model(arguments.model, arguments.adapter))
    state = GenerationState(continuous_batching=False, compile=False)
    return build_server(
        manager,
        accept_openai_fields(ChatCompletionHandler(model_manager=manager, generation_state=state)),
        completion_handler=accept_openai_fields(CompletionHandler(model_manager=manager, generation_state=state)),
        response_handler=ResponseHandler(model_manager=manager, generation_state=state),
        transcription_handler=TranscriptionHandler(manager, state),
        generation_state=state,
    )


def load_model(model: Path, adapter: Path | None) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Loads the weights once; an adapter is merged into them, which answers faster than applying it at every layer.

    Args:
        model: folder of the base model, safetensors.
        adapter: folder with adapter_config.json and adapter_model.safetensors.
    Returns:
        the model in the dtype of its weights, and its tokenizer (the adapter's own, if it brings one).
    """
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


def accept_openai_fields(handler: Any) -> Any:
    """Lets a handler take the bodies that OpenAI's clients send, where that needs no other answer.

    Fields that would need one (`response_format`, `logprobs`, `n` above 1, ...) are refused by the handler itself.
    """
    handle = handler.handle_request

    async def handle_request(body: dict[str, Any], request_id: str) -> Any:
        fields = {name: value for name, value in body.items() if name not in IGNORED_FIELDS and value is not None}
        if "max_completion_tokens" in fields:
            fields["max_tokens"] = fields.pop("max_completion_tokens")
        if fields.get("n") == 1:
            del fields["n"]
        return await handle(fields, request_id)

    handler.handle_request = handle_request
    return handler


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
