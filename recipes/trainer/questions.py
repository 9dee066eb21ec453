"""What clients may ask of the CPU server: OpenAI's three requests, checked before anything is computed.

A field that would need another answer than this server can give is refused by its name; none is dropped. The fields
are those of the openai package's `types.*_create_params`, and `chat_template_kwargs`, which vLLM takes too.
"""

from typing import Annotated, Any, Literal, TypeVar

from fields import biases, one_prompt, only, spoken_role, stops, text_of, turns
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from refusals import Refused

STRICT = ConfigDict(strict=True, extra="forbid", protected_namespaces=())
NotHere = Annotated[Any, only()]
NoList = Annotated[Any, only([])]
NoObject = Annotated[Any, only({})]
NoFlag = Annotated[Any, only(False)]
NoNumber = Annotated[Any, only(0)]
NoTool = Annotated[Any, only("none", "auto")]
Count = Annotated[int, Field(ge=1)]
CODES = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}
OWN_CODES = ("unsupported_parameter", "invalid_type", "invalid_value")
SHOWN_CHARACTERS = 40


class Message(BaseModel):
    """A turn of a conversation; clients send earlier answers back as they got them."""

    model_config = STRICT

    role: Annotated[Literal["system", "user", "assistant"], BeforeValidator(spoken_role)]
    content: Annotated[str, BeforeValidator(text_of)]
    # Of answers that are sent back. Reasoning is not repeated to the model: chat templates leave it out.
    type: Literal["message"] | None = None
    id: str | None = None
    status: str | None = None
    phase: str | None = None
    reasoning_content: str | None = None
    name: NotHere = None
    refusal: NotHere = None
    audio: NotHere = None
    annotations: NoList = None
    tool_calls: NoList = None
    tool_call_id: NotHere = None
    function_call: NotHere = None

    def spoken(self) -> dict[str, str]:
        """What the chat template gets."""
        return {"role": self.role, "content": self.content}


class Question(BaseModel):
    """What all three requests have in common."""

    model_config = STRICT

    model: str | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    # These say who asks and what to keep near; no answer depends on them.
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    service_tier: Annotated[Any, only("auto", "default")] = None

    def asked_tokens(self) -> int | None:
        """How long the answer may be, in tokens; None when the client leaves it to the server."""
        raise NotImplementedError

    def fields(self) -> dict[str, Any]:
        """The fields as transformers' handlers take them."""
        return {"stream": bool(self.stream)}


class TextQuestion(Question):
    """What chat and plain completions have in common."""

    max_tokens: Count | None = None
    stop: Annotated[list[str] | None, BeforeValidator(stops)] = None
    logit_bias: Annotated[dict[str, float] | None, AfterValidator(biases)] = None
    # Usage always ends a stream.
    stream_options: dict[Literal["include_usage", "include_obfuscation"], bool | None] | None = None
    n: Annotated[Any, only(1)] = None
    frequency_penalty: NoNumber = None
    presence_penalty: NoNumber = None
    logprobs: NoFlag = None

    def asked_tokens(self) -> int | None:
        """See Question."""
        return self.max_tokens


class ChatQuestion(TextQuestion):
    """`/v1/chat/completions`."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Count | None = None
    chat_template_kwargs: dict[str, str | bool | int | float | None] | None = None
    # There is nothing to call, so nothing to call side by side.
    parallel_tool_calls: bool | None = None
    audio: NotHere = None
    function_call: NoTool = None
    functions: NoList = None
    metadata: NoObject = None
    modalities: Annotated[Any, only(["text"], [])] = None
    moderation: NotHere = None
    prediction: NotHere = None
    reasoning_effort: NotHere = None
    response_format: Annotated[Any, only({"type": "text"})] = None
    store: NoFlag = None
    tool_choice: NoTool = None
    tools: NoList = None
    top_logprobs: NoNumber = None
    verbosity: NotHere = None
    web_search_options: NotHere = None

    def asked_tokens(self) -> int | None:
        """The newer name counts."""
        return self.max_completion_tokens or self.max_tokens

    def fields(self) -> dict[str, Any]:
        """See Question."""
        chat = [message.spoken() for message in self.messages]
        return {**super().fields(), "messages": chat, "chat_template_kwargs": self.chat_template_kwargs or {}}


class CompletionQuestion(TextQuestion):
    """`/v1/completions`."""

    prompt: Annotated[str, BeforeValidator(one_prompt), Field(min_length=1)]
    best_of: Annotated[Any, only(1)] = None
    echo: NoFlag = None
    suffix: NotHere = None

    def fields(self) -> dict[str, Any]:
        """See Question."""
        return {**super().fields(), "prompt": self.prompt}


class ResponsesQuestion(Question):
    """`/v1/responses`."""

    input: Annotated[list[Message], BeforeValidator(turns), Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Count | None = None
    stream_options: dict[Literal["include_obfuscation"], bool | None] | None = None
    parallel_tool_calls: bool | None = None
    access_programs: NotHere = None
    background: NoFlag = None
    context_management: NoList = None
    conversation: NotHere = None
    image: NotHere = None
    include: NoList = None
    max_tool_calls: NotHere = None
    metadata: NoObject = None
    moderation: NotHere = None
    previous_response_id: NotHere = None
    prompt: NotHere = None
    reasoning: NoObject = None
    store: NoFlag = None
    text: Annotated[Any, only({"format": {"type": "text"}}, {})] = None
    tool_choice: NoTool = None
    tools: NoList = None
    top_logprobs: NoNumber = None
    truncation: Annotated[Any, only("disabled")] = None

    def asked_tokens(self) -> int | None:
        """See Question."""
        return self.max_output_tokens

    def fields(self) -> dict[str, Any]:
        """See Question. Given apart, instructions would take the place of a system message in transformers' handler."""
        chat = [message.spoken() for message in self.input]
        if self.instructions:
            first = chat.pop(0)["content"] if chat[0]["role"] == "system" else None
            told = self.instructions if first is None else f"{self.instructions}\n\n{first}"
            chat.insert(0, {"role": "system", "content": told})
        return {**super().fields(), "input": chat}


Kind = TypeVar("Kind", bound=Question)


def parse_question(kind: type[Kind], body: dict[str, Any]) -> Kind:
    """Reads a body.

    Raises:
        Refused: for the first field that is wrong.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        wrong: dict[str, Any] = {**error.errors(include_url=False, include_context=False)[0]}
        param = path_of(wrong["loc"])
        raise Refused(code_of(wrong["type"]), f'"{param}" {reason_of(wrong)}.', param) from error


def code_of(kind: str) -> str:
    """Says pydantic's kinds of errors in OpenAI's few."""
    if kind in OWN_CODES:
        return kind
    return CODES.get(kind, "invalid_type" if kind.endswith(("_type", "_parsing")) else "invalid_value")


def path_of(location: tuple[str | int, ...]) -> str:
    """Writes `("messages", 0, "role")` as `messages[0].role`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def reason_of(wrong: dict[str, Any]) -> str:
    """Says why, with the value where it is a number or a short word; texts of a conversation are longer."""
    if wrong["type"] == "missing":
        return "is missing"
    if wrong["type"] == "extra_forbidden":
        return "is not a field that this server knows"
    if wrong["type"] in OWN_CODES:
        return wrong["msg"]
    value = wrong["input"]
    shown = isinstance(value, str | int | float) and len(str(value)) <= SHOWN_CHARACTERS
    given = f", and is {value!r}" if shown else ""
    return f"is not right: {wrong['msg'][0].lower()}{wrong['msg'][1:]}{given}"
