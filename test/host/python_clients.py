"""Asks a gateway with the official Python clients, unchanged, and prints what they got as one JSON object.

    OPENAI_BASE_URL=... OPENAI_API_KEY=... ANTHROPIC_BASE_URL=... ANTHROPIC_API_KEY=... python python_clients.py MODEL
"""

import json
import sys

import anthropic
import openai
from pydantic import BaseModel

USER = {"role": "user", "content": "Hello"}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}


class Label(BaseModel):
    """What is asked for as a JSON schema."""

    label: str


def main() -> None:
    model = sys.argv[1]
    answers = {"openai": openai_answers(openai.OpenAI(max_retries=0), model)}
    answers["anthropic"] = anthropic_answers(anthropic.Anthropic(max_retries=0), model)
    sys.stdout.write(json.dumps(answers) + "\n")


def openai_answers(client: openai.OpenAI, model: str) -> dict:
    create = client.chat.completions.create
    whole = create(model=model, messages=[USER])
    streamed, usage = [], None
    for chunk in create(model=model, messages=[USER], stream=True, stream_options={"include_usage": True}):
        streamed += [choice.delta.content or "" for choice in chunk.choices]
        usage = chunk.usage or usage
    parsed = client.chat.completions.parse(model=model, messages=[USER], response_format=Label)
    return {
        "text": whole.choices[0].message.content,
        "total_tokens": whole.usage.total_tokens,
        "streamed": "".join(streamed),
        "streamed_tokens": usage.total_tokens,
        "tools": openai_tools(client, model, stream=False),
        "streamed_tools": openai_tools(client, model, stream=True),
        "parsed": parsed.choices[0].message.parsed.label,
        "models": [listed.id for listed in client.models.list()],
        "unknown": refusal(lambda: create(model="nobody", messages=[USER])),
        "unknown_model": refusal(lambda: client.models.retrieve("nobody")),
        "refused": refusal(lambda: create(model=model, messages=[USER, OPENAI_CALL, USER])),
    }


OPENAI_CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
}


def openai_tools(client: openai.OpenAI, model: str, stream: bool) -> dict:
    """One round: the model calls, we answer, the model says what it learned."""
    asked = {"model": model, "tools": [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]}
    if stream:
        with client.chat.completions.stream(messages=[USER], **asked) as events:
            for _ in events:
                pass
            first = events.get_final_completion().choices[0].message
    else:
        first = client.chat.completions.create(messages=[USER], **asked).choices[0].message
    calls = first.tool_calls
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} done"} for call in calls]
    said = first.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
    second = client.chat.completions.create(messages=[USER, said, *results], **asked)
    return {"arguments": json.loads(calls[0].function.arguments), "then": second.choices[0].message.content}


def anthropic_answers(client: anthropic.Anthropic, model: str) -> dict:
    asked = {"model": model, "max_tokens": 100}
    whole = client.messages.create(messages=[USER], **asked)
    with client.messages.stream(messages=[USER], **asked) as events:
        streamed = "".join(events.text_stream)
        final = events.get_final_message()
    schema = {**Label.model_json_schema(), "additionalProperties": False}
    shaped = client.messages.create(
        messages=[USER], output_config={"format": {"type": "json_schema", "schema": schema}}, **asked
    )
    return {
        "text": whole.content[0].text,
        "input_tokens": whole.usage.input_tokens,
        "streamed": streamed,
        "stop_reason": final.stop_reason,
        "output_tokens": final.usage.output_tokens,
        "tools": anthropic_tools(client, asked, stream=False),
        "streamed_tools": anthropic_tools(client, asked, stream=True),
        "parsed": Label.model_validate_json(shaped.content[0].text).label,
        "models": [listed.id for listed in client.models.list()],
        "unknown": refusal(lambda: client.messages.create(messages=[USER], model="nobody", max_tokens=1)),
        "refused": refusal(lambda: client.messages.create(messages=[USER, ANTHROPIC_CALL, USER], **asked)),
    }


ANTHROPIC_CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "weather", "input": {}}]}


def anthropic_tools(client: anthropic.Anthropic, asked: dict, stream: bool) -> dict:
    """One round: the model calls, we answer, the model says what it learned."""
    asked = {**asked, "tools": [{"name": "weather", "input_schema": PARAMETERS}]}
    if stream:
        with client.messages.stream(messages=[USER], **asked) as events:
            first = events.get_final_message()
    else:
        first = client.messages.create(messages=[USER], **asked)
    uses = [block for block in first.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": use.id, "content": f"{use.name} done"} for use in uses]
    said = [block.model_dump(exclude_none=True) for block in first.content]
    messages = [USER, {"role": "assistant", "content": said}, {"role": "user", "content": results}]
    second = client.messages.create(messages=messages, **asked)
    return {"arguments": uses[0].input, "then": second.content[0].text}


def refusal(ask) -> str:
    try:
        ask()
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        return f"{type(error).__name__} {error.status_code}"
    return "no refusal"


if __name__ == "__main__":
    main()
