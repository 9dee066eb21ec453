"""The CPU server on a tiny model: refusals in OpenAI's shape, whole answers and streams, and clients that leave."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from asked import Answer, ask
from conftest import run_child
from stopping import StopFilter

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
WINDOW = 128

Scenario = Callable[[Any, Any], Coroutine[Any, Any, None]]


def serve(folder: Path, scenario: Scenario, window: int | None = WINDOW) -> str:
    """Runs a scenario on the application and its model, in a child, and gives its log."""

    def run() -> int:
        from serve import build_app, load_model

        model, tokenizer = load_model(folder, None)
        asyncio.run(scenario(build_app("tiny", window, model, tokenizer), model))
        return 0

    ended = run_child(run, None)
    assert ended.status == 0, ended.log
    return ended.log


def never_ending(model: Any) -> dict[str, Any]:
    """Fields of a request whose answer goes to its limit."""
    ends = model.generation_config.eos_token_id
    return {"logit_bias": {str(end): -100 for end in (ends if isinstance(ends, list) else [ends])}}


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        (CHAT, {}, "missing_required_parameter", "messages"),
        (CHAT, {**HELLO, "temperature": "hot"}, "invalid_type", "temperature"),
        (CHAT, {**HELLO, "n": 2}, "unsupported_parameter", "n"),
        (CHAT, {**HELLO, "logit_bias": {"9999": 1}}, "invalid_value", "logit_bias"),
        (
            CHAT,
            {**HELLO, "chat_template_kwargs": {"tokenize": False}},
            "unsupported_parameter",
            "chat_template_kwargs.tokenize",
        ),
        (COMPLETIONS, {"prompt": "a", "suffix": "b"}, "unsupported_parameter", "suffix"),
        (RESPONSES, {"input": []}, "invalid_value", "input"),
        (CHAT, b"[1]", "invalid_json", None),
        (CHAT, b"{", "invalid_json", None),
    ],
)
def test_a_bad_request_is_refused_in_openai_s_shape(
    tiny_model: Path, path: str, body: Any, code: str, param: str | None
):
    async def scenario(app: Any, _: Any) -> None:
        answer = await ask(app, path, body)
        assert answer.status == 400, answer
        assert answer.error["code"] == code
        assert answer.error["param"] == param
        assert answer.error["type"] == "invalid_request_error"

    serve(tiny_model, scenario)


def test_what_the_server_does_not_offer_is_named(tiny_model: Path):
    async def scenario(app: Any, _: Any) -> None:
        answer = await ask(app, "/v1/embeddings", {"input": "hello"})
        assert (answer.status, answer.error["code"]) == (404, "unsupported_endpoint")
        assert "/v1/embeddings" in answer.error["message"]

    serve(tiny_model, scenario)


@pytest.mark.parametrize(
    ("path", "field", "limit", "prompt"),
    [
        (CHAT, "messages", "max_tokens", lambda words: [{"role": "user", "content": words}]),
        (CHAT, "messages", "max_completion_tokens", lambda words: [{"role": "user", "content": words}]),
        (COMPLETIONS, "prompt", "max_tokens", lambda words: words),
        (RESPONSES, "input", "max_output_tokens", lambda words: words),
    ],
)
def test_prompt_and_answer_stay_within_the_window(
    tiny_model: Path, path: str, field: str, limit: str, prompt: Callable[[str], Any]
):
    async def scenario(app: Any, model: Any) -> None:
        steps = counted(model)
        for stream in (False, True):
            long = await ask(app, path, {field: prompt("hello " * 20_000), "stream": stream})
            assert (long.status, long.error["code"], long.error["param"]) == (400, "context_length_exceeded", field)
            assert f"{WINDOW} tokens" in long.error["message"]
            much = await ask(app, path, {field: prompt("hello"), limit: WINDOW, "stream": stream})
            assert (much.status, much.error["code"]) == (400, "context_length_exceeded")
            assert f"up to {WINDOW} tokens" in much.error["message"]
        assert steps == []
        assert (await ask(app, path, {field: prompt("hello"), limit: 4})).status == 200

    serve(tiny_model, scenario)


def test_the_window_is_filled_to_its_last_token_and_not_beyond(tiny_model: Path):
    async def scenario(app: Any, model: Any) -> None:
        one = (await ask(app, CHAT, {**HELLO, "max_tokens": 1})).content["usage"]["prompt_tokens"]
        assert (await ask(app, CHAT, {**HELLO, "max_tokens": WINDOW - one + 1})).status == 400
        full = await ask(app, CHAT, {**HELLO, **never_ending(model)})
        assert full.content["usage"]["total_tokens"] == WINDOW
        assert full.content["choices"][0]["finish_reason"] == "length"

    serve(tiny_model, scenario)


def test_a_response_is_json_unless_a_stream_is_asked_for(tiny_model: Path):
    async def scenario(app: Any, model: Any) -> None:
        from openai.types.responses import Response

        question = {"input": "hello", "max_output_tokens": 3, "temperature": 0}
        for body in (question, {**question, "stream": False}, {**question, "stream": None}):
            response = Response.model_validate((await ask(app, RESPONSES, body)).content)
            assert response.object == "response"
            assert response.usage is not None
        assert response.status == ("incomplete" if response.usage.output_tokens == 3 else "completed")
        streamed = await ask(app, RESPONSES, {**question, "stream": True})
        assert streamed.events[0]["type"] == "response.created"
        assert streamed.events[-1]["type"] == "response.completed"
        assert streamed.events[-1]["response"]["output"][0]["content"][0]["text"].strip() == response.output_text

    serve(tiny_model, scenario)


def test_an_answer_ends_before_its_stop_text_whole_and_as_a_stream(tiny_model: Path):
    async def scenario(app: Any, model: Any) -> None:
        question = {"prompt": "hello", "max_tokens": 40, "temperature": 0, **never_ending(model)}
        whole = (await ask(app, COMPLETIONS, question)).content["choices"][0]["text"]
        stop = whole[5:8]
        before = whole[: whole.index(stop)]
        stopped = (await ask(app, COMPLETIONS, {**question, "stop": stop})).content["choices"][0]
        assert (stopped["text"], stopped["finish_reason"]) == (before, "stop")
        events = (await ask(app, COMPLETIONS, {**question, "stop": [stop], "stream": True})).events
        assert "".join(event["choices"][0]["text"] for event in events) == before

    serve(tiny_model, scenario)


def test_a_filter_passes_what_is_no_stop_text_after_all():
    stops = StopFilter(["END", "E!"])
    assert [stops.push(text) for text in ("a E", "N", "a E", "?", "xE")] == ["a ", "", "ENa ", "E?", "x"]
    assert stops.rest() == "E"
    assert [stops.push(text) for text in ("ND after", "more")] == ["", ""]
    assert stops.rest() == ""


def test_a_seed_repeats_a_sampled_answer_and_a_temperature_of_nothing_is_greedy(tiny_model: Path):
    async def scenario(app: Any, model: Any) -> None:
        model.generation_config.update(do_sample=True, temperature=0.6, top_k=20, top_p=0.9)
        question = {"prompt": "hello", "max_tokens": 24, **never_ending(model)}

        async def texts(**fields: Any) -> set[str]:
            answers = await asyncio.gather(*[ask(app, COMPLETIONS, {**question, **fields}) for _ in range(3)])
            return {answer.content["choices"][0]["text"] for answer in answers}

        assert len(await texts(temperature=2, seed=7)) == 1
        assert len(await texts(temperature=2)) > 1
        assert len(await texts(temperature=0)) == 1

    log = serve(tiny_model, scenario)
    assert "not valid" not in log


def test_a_temperature_samples_also_where_the_model_is_greedy_by_itself(tiny_model: Path):
    async def scenario(app: Any, model: Any) -> None:
        assert not model.generation_config.do_sample
        question = {"prompt": "hello", "max_tokens": 24, "temperature": 2, **never_ending(model)}
        answers = [await ask(app, COMPLETIONS, {**question, "seed": seed}) for seed in (1, 2)]
        assert len({answer.content["choices"][0]["text"] for answer in answers}) == 2

    serve(tiny_model, scenario)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_its_generation(tiny_model: Path, stream: bool):
    async def scenario(app: Any, model: Any) -> None:
        left, resumed = asyncio.Event(), threading.Event()
        steps = counted(model, pause_at(3, left, resumed))
        await ask(app, CHAT, {**HELLO, "stream": stream, "max_tokens": 90, **never_ending(model)}, left)
        resumed.set()
        assert (await ask(app, CHAT, {**HELLO, "max_tokens": 1})).status == 200
        assert 3 <= len(steps) <= 5

    log = serve(tiny_model, scenario)
    assert "Traceback" not in log


def test_a_client_that_leaves_while_it_waits_is_never_generated_for(tiny_model: Path):
    async def scenario(app: Any, model: Any) -> None:
        reached, resumed = asyncio.Event(), threading.Event()
        steps = counted(model, pause_at(3, reached, resumed))
        first = asyncio.create_task(ask(app, CHAT, {**HELLO, "max_tokens": 10, **never_ending(model)}))
        await asyncio.wait([first, asyncio.ensure_future(reached.wait())], return_when=asyncio.FIRST_COMPLETED)
        left = asyncio.Event()
        left.set()
        await ask(app, CHAT, {**HELLO, "max_tokens": 90, **never_ending(model)}, left)
        resumed.set()
        answer: Answer = await first
        assert answer.content["usage"]["completion_tokens"] == 10
        assert (await ask(app, CHAT, {**HELLO, "max_tokens": 1})).status == 200
        assert len(steps) == 11

    serve(tiny_model, scenario)


def counted(model: Any, at_step: Callable[[int], None] = lambda _: None) -> list[int]:
    """Counts the model's steps, one a token."""
    steps: list[int] = []

    def count(*_: Any) -> None:
        steps.append(len(steps) + 1)
        at_step(len(steps))

    model.register_forward_pre_hook(count)
    return steps


def pause_at(step: int, reached: asyncio.Event, resumed: threading.Event) -> Callable[[int], None]:
    """Holds the generating thread at a step, and tells the loop that it is there."""
    loop = asyncio.get_running_loop()

    def pause(now: int) -> None:
        if now == step:
            loop.call_soon_threadsafe(reached.set)
            resumed.wait()

    return pause
