"""Generation on the CPU for transformers' handlers: within the model's window, seeded, and given up with its client."""

import asyncio
import copy
import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from refusals import Refused
from stopping import StoppedStreamer
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from transformers.cli.serving.utils import (
    GenerateManager,
    GenerationState,
    _GenerationCancelled,
    _StreamError,
    build_response_parser,
)

# transformers' own limit for an answer whose client names none (`_build_generation_config` of its handlers).
DEFAULT_ANSWER_TOKENS = 1024
# Below it vLLM decodes greedily, and divisions by it overflow (vllm/sampling_params.py, _SAMPLING_EPS).
GREEDY_BELOW = 1e-5


@dataclass(frozen=True)
class Wishes:
    """What a request asks for and transformers' handlers have no argument for."""

    prompt_field: str
    tokens: int | None
    seed: int | None
    stops: list[str]


WISHES: ContextVar[Wishes] = ContextVar("wishes")


def generation_config(body: dict[str, Any], defaults: GenerationConfig) -> GenerationConfig:
    """Says how to decode: the model's own way, but for what the request names.

    transformers' own builder leaves `do_sample` as the model has it, so a temperature may do nothing, and keeps a
    temperature beside greedy decoding, which is then warned of.

    Args:
        body: temperature, top_p and logit_bias of the request, if any.
        defaults: of the model (generation_config.json).
    """
    config = copy.deepcopy(defaults)
    temperature, top_p = body.get("temperature"), body.get("top_p")
    if temperature is not None or top_p is not None:
        config.do_sample = temperature is None or temperature >= GREEDY_BELOW
        config.temperature = temperature if temperature is not None else config.temperature
        config.top_p = top_p if top_p is not None else config.top_p
        # Unset means 50 in transformers; OpenAI and vLLM cut nothing off.
        config.top_k = config.top_k if config.top_k is not None else 0
    if not config.do_sample:
        config.temperature = config.top_p = config.top_k = config.min_p = config.typical_p = None
    if body.get("logit_bias"):
        config.sequence_bias = {(int(token),): float(bias) for token, bias in body["logit_bias"].items()}
    return config


class OneModel(GenerationState):
    """The state that the handlers share: one model, one thread that generates."""

    def __init__(self, window: int | None) -> None:
        """Keeps the one manager.

        Args:
            window: most tokens of prompt and answer together; None: unknown.
        """
        super().__init__(continuous_batching=False, compile=False)
        self._manager = Generation(window)

    def get_manager(self, model_id: str, use_cb: bool = False) -> "Generation":
        """Gives the one manager, whatever the name."""
        return self._manager


class Generation(GenerateManager):
    """transformers' sequential generation, which knows no window, seeds beside the queue, and never gives up."""

    def __init__(self, window: int | None) -> None:
        """Starts the thread."""
        super().__init__()
        self.window = window

    def generate_streaming(
        self, model: Any, processor: Any, inputs: Any, gen_config: Any, request_id: str, response_parser: Any = None
    ) -> tuple[asyncio.Queue, Any]:
        """Starts a stream; the handlers cancel its streamer when their client goes away."""
        fit(self.window, inputs, gen_config)
        loop, queue = asyncio.get_running_loop(), asyncio.Queue()
        streamer = StoppedStreamer(processor._tokenizer, loop, queue, response_parser, WISHES.get().stops)

        def run(*arguments: Any) -> None:
            try:
                if generate(*arguments) is None:
                    loop.call_soon_threadsafe(queue.put_nowait, None)
            except Exception as error:
                # The handlers put the text between quotes as it is.
                text = json.dumps(f"{type(error).__name__}: {error}")[1:-1]
                loop.call_soon_threadsafe(queue.put_nowait, _StreamError(text))

        self.submit(run, model, inputs, gen_config, streamer, WISHES.get().seed)
        return queue, streamer

    async def generate_non_streaming(
        self, model: Any, processor: Any, inputs: Any, gen_config: Any, request_id: str
    ) -> tuple[str, int, torch.Tensor]:
        """Generates a whole answer; a streamer that nobody reads stops it as it stops a stream."""
        fit(self.window, inputs, gen_config)
        wishes, ids = WISHES.get(), inputs["input_ids"]
        parser = None if wishes.prompt_field == "prompt" else build_response_parser(processor, model, ids)
        loop, queue = asyncio.get_running_loop(), asyncio.Queue()
        streamer = StoppedStreamer(processor._tokenizer, loop, queue, parser, wishes.stops)
        # Shielded: the thread sets the result of this future, and would die of one that is cancelled already.
        running = asyncio.wrap_future(self.submit(generate, model, inputs, gen_config, streamer, wishes.seed))
        try:
            sequences = await asyncio.shield(running)
        except asyncio.CancelledError:
            streamer.cancel()
            raise
        answer = sequences[0, ids.shape[-1] :]
        return processor.decode(answer, skip_special_tokens=True), ids.shape[-1], answer


def generate(
    model: Any, inputs: Any, config: GenerationConfig, streamer: StoppedStreamer, seed: int | None
) -> torch.Tensor | None:
    """Runs on the thread that samples.

    Args:
        seed: set here and not earlier, where the request before this one would use it up.

    Returns:
        Tokens of prompt and answer; None when the client has gone, also before the first step.
    """
    if seed is not None:
        torch.manual_seed(seed)
    until = StoppingCriteriaList([Until(lambda: streamer.filter.stopped)])
    try:
        return model.generate(**inputs, generation_config=config, streamer=streamer, stopping_criteria=until)
    except _GenerationCancelled:
        return None


class Until(StoppingCriteria):
    """Ends a generation when asked to."""

    def __init__(self, ended: Callable[[], bool]) -> None:
        """Keeps the question."""
        self.ended = ended

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any) -> Any:
        """Answers for each sequence of the batch."""
        return torch.full((input_ids.shape[0],), self.ended(), device=input_ids.device, dtype=torch.bool)


def fit(window: int | None, inputs: Any, config: GenerationConfig) -> None:
    """Holds prompt and answer within the window, counted in the very tokens that the model would get.

    Raises:
        Refused: context_length_exceeded.
    """
    wishes = WISHES.get()
    prompt_tokens = inputs["input_ids"].shape[-1]
    most = max(config.max_new_tokens or 0, DEFAULT_ANSWER_TOKENS)
    room = most if window is None else window - prompt_tokens
    if room < (wishes.tokens or 1):
        asked = f"asks for up to {wishes.tokens} tokens of answer" if wishes.tokens else "leaves no token for an answer"
        raise Refused(
            "context_length_exceeded",
            f"This model's maximum context length is {window} tokens, prompt and answer together. "
            f"The request has {prompt_tokens} tokens of prompt and {asked}.",
            wishes.prompt_field,
        )
    config.max_new_tokens = wishes.tokens or min(most, room)
