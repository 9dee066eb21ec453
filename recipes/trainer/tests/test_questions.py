"""What clients may ask of the CPU server: what passes, and how each refusal names its field."""

from typing import Any

import pytest
from openai.types import completion_create_params as completion
from openai.types.chat import completion_create_params as chat
from openai.types.responses import response_create_params as responses
from questions import ChatQuestion, CompletionQuestion, Question, ResponsesQuestion, parse_question
from refusals import Refused

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


def refusal(kind: type[Question], body: dict[str, Any]) -> tuple[str, str | None, str]:
    with pytest.raises(Refused) as caught:
        parse_question(kind, body)
    return caught.value.code, caught.value.param, str(caught.value)


@pytest.mark.parametrize(
    ("fields", "code", "param", "why"),
    [
        ({"messages": None}, "invalid_type", "messages", "valid list"),
        ({"messages": []}, "invalid_value", "messages", "at least 1 item"),
        ({"messages": [{"role": "user"}]}, "missing_required_parameter", "messages[0].content", "missing"),
        ({"messages": [{"role": "king", "content": ""}]}, "invalid_value", "messages[0].role", "'assistant'"),
        ({"messages": [{"role": "user", "content": 3}]}, "invalid_type", "messages[0].content", "text"),
        ({"temperature": "hot"}, "invalid_type", "temperature", "'hot'"),
        ({"temperature": 2.5}, "invalid_value", "temperature", "2.5"),
        ({"temperature": float("nan")}, "invalid_value", "temperature", "nan"),
        ({"top_p": 0}, "invalid_value", "top_p", "greater than 0"),
        ({"max_tokens": -1}, "invalid_value", "max_tokens", "-1"),
        ({"max_tokens": True}, "invalid_type", "max_tokens", "integer"),
        ({"max_completion_tokens": "9"}, "invalid_type", "max_completion_tokens", "'9'"),
        ({"seed": 2**64}, "invalid_value", "seed", "less than"),
        ({"stop": ["a", ""]}, "invalid_type", "stop", "none of them empty"),
        ({"logit_bias": {"a": 1}}, "invalid_value", "logit_bias", "token ids"),
        ({"mesages": []}, "unknown_parameter", "mesages", "not a field"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_the_reason(fields: dict[str, Any], code: str, param: str, why: str):
    told = refusal(ChatQuestion, {**HELLO, **fields})
    assert told[:2] == (code, param)
    assert f'"{param}"' in told[2]
    assert why in told[2]


def test_a_field_that_is_missing_is_named():
    assert refusal(ChatQuestion, {})[:2] == ("missing_required_parameter", "messages")
    assert refusal(CompletionQuestion, {})[:2] == ("missing_required_parameter", "prompt")
    assert refusal(ResponsesQuestion, {})[:2] == ("missing_required_parameter", "input")


def test_what_a_client_wrote_to_the_model_is_not_repeated_in_an_error():
    told = refusal(ChatQuestion, {"messages": [{"role": "user", "content": ["my secret"]}]})
    assert "secret" not in told[2]


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"n": True},
        {"logprobs": True},
        {"top_logprobs": 3},
        {"tools": [{"type": "function", "function": {"name": "look"}}]},
        {"tool_choice": "required"},
        {"response_format": {"type": "json_object"}},
        {"frequency_penalty": 0.5},
        {"presence_penalty": -1},
        {"store": True},
        {"metadata": {"a": "b"}},
        {"reasoning_effort": "low"},
        {"modalities": ["text", "audio"]},
        {"service_tier": "priority"},
    ],
)
def test_what_the_server_cannot_do_is_refused(fields: dict[str, Any]):
    assert refusal(ChatQuestion, {**HELLO, **fields})[:2] == ("unsupported_parameter", next(iter(fields)))


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "tool", "content": "5", "tool_call_id": "a"}, "messages[0].role"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]}, "messages[0].content"),
        ({"role": "assistant", "content": "", "tool_calls": [{"id": "a"}]}, "messages[0].tool_calls"),
    ],
)
def test_turns_that_the_model_would_not_see_are_refused(message: dict[str, Any], param: str):
    assert refusal(ChatQuestion, {"messages": [message]})[:2] == ("unsupported_parameter", param)


def test_values_that_ask_for_nothing_pass():
    neutral = {"n": 1, "logprobs": False, "tools": [], "tool_choice": "auto", "response_format": {"type": "text"}}
    others = {
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "store": False,
        "metadata": {},
        "stop": [],
        "audio": None,
    }
    labels = {"user": "u", "stream_options": {"include_usage": True}, "parallel_tool_calls": True}
    question = parse_question(ChatQuestion, {**HELLO, **neutral, **others, **labels})
    assert question.fields() == {**HELLO, "stream": False, "chat_template_kwargs": {}}
    assert question.stop is None


def test_messages_are_taken_as_clients_write_them():
    earlier = {"role": "assistant", "content": "hi", "refusal": None, "annotations": [], "reasoning_content": "hm"}
    parts = {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}
    question = parse_question(ChatQuestion, {"messages": [{"role": "developer", "content": "be kind"}, earlier, parts]})
    assert question.fields()["messages"] == [
        {"role": "system", "content": "be kind"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "one\ntwo"},
    ]


def test_the_newer_name_of_max_tokens_counts():
    assert parse_question(ChatQuestion, {**HELLO, "max_tokens": 5, "max_completion_tokens": 7}).asked_tokens() == 7
    assert parse_question(ChatQuestion, {**HELLO, "max_tokens": 5}).asked_tokens() == 5


def test_instructions_go_before_a_system_message_and_earlier_answers_may_be_sent_back():
    output = {"type": "message", "id": "m", "status": "completed", "role": "assistant"}
    answer = {**output, "content": [{"type": "output_text", "text": "hi", "annotations": []}]}
    items = [{"role": "system", "content": "short"}, {"type": "reasoning", "id": "r", "summary": []}, answer]
    question = parse_question(ResponsesQuestion, {"input": items, "instructions": "be kind"})
    assert question.fields()["input"] == [
        {"role": "system", "content": "be kind\n\nshort"},
        {"role": "assistant", "content": "hi"},
    ]
    alone = parse_question(ResponsesQuestion, {"input": "hello", "instructions": "be kind"})
    assert [message["role"] for message in alone.fields()["input"]] == ["system", "user"]


def test_a_prompt_may_be_a_list_of_one_text():
    assert parse_question(CompletionQuestion, {"prompt": ["hello"]}).prompt == "hello"
    assert refusal(CompletionQuestion, {"prompt": ["a", "b"]})[:2] == ("unsupported_parameter", "prompt")
    assert refusal(CompletionQuestion, {"prompt": [1, 2]})[:2] == ("unsupported_parameter", "prompt")
    assert refusal(CompletionQuestion, {"prompt": ""})[:2] == ("invalid_value", "prompt")


@pytest.mark.parametrize(
    ("kind", "official"),
    [
        (ChatQuestion, chat.CompletionCreateParamsStreaming),
        (CompletionQuestion, completion.CompletionCreateParamsStreaming),
        (ResponsesQuestion, responses.ResponseCreateParamsStreaming),
    ],
)
def test_every_field_of_the_official_client_is_decided_on(kind: type[Question], official: Any):
    names = official.__required_keys__ | official.__optional_keys__
    assert sorted(names - set(kind.model_fields)) == []
