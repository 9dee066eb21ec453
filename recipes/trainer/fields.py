"""Checks of single request fields. Each raises with the code that the client gets, or gives what goes on."""

from typing import Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

TEXT_PARTS = ("text", "input_text", "output_text")


def only(*harmless: Any) -> AfterValidator:
    """Takes a field that this server cannot do, when it asks for nothing: null, or one of the values."""

    def check(value: Any) -> None:
        if value is not None and not any(same(value, other) for other in harmless):
            raise PydanticCustomError("unsupported_parameter", "is not something that this server can do: leave it out")

    return AfterValidator(check)


def same(one: Any, other: Any) -> bool:
    """Compares; unlike Python, true is not 1 here."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def stops(value: Any) -> Any:
    """Takes one text or several; none and an empty list say nothing."""
    texts = [value] if isinstance(value, str) else value
    if texts is None or texts == []:
        return None
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise PydanticCustomError("invalid_type", "must be a text or a list of texts, none of them empty")
    return texts


def biases(value: dict[str, float] | None) -> dict[str, float] | None:
    """Takes `{"TOKEN_ID": bias}`."""
    for token, bias in (value or {}).items():
        if not (token.isascii() and token.isdigit()) or not -100 <= bias <= 100:
            raise PydanticCustomError("invalid_value", "must map token ids to numbers from -100 to 100")
    return value or None


def one_prompt(value: Any) -> Any:
    """Takes a text, also as the only one of a list."""
    if not isinstance(value, list):
        return value
    if len(value) == 1 and isinstance(value[0], str):
        return value[0]
    raise PydanticCustomError("unsupported_parameter", "must be one text here, neither several nor token ids")


def turns(value: Any) -> Any:
    """Takes a text or messages; the reasoning of an earlier answer is not repeated to the model, as at OpenAI."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}] if value else []
    if isinstance(value, list):
        return [item for item in value if not (isinstance(item, dict) and item.get("type") == "reasoning")]
    raise PydanticCustomError("invalid_type", "must be a text or a list of messages")


def spoken_role(value: Any) -> Any:
    """Knows the newer name of system; results of tools come from tools, which there are none of."""
    if value in ("tool", "function"):
        raise PydanticCustomError("unsupported_parameter", "is of a tool, and this server calls none")
    return "system" if value == "developer" else value


def text_of(value: Any) -> Any:
    """Joins parts of text by line ends, as vLLM does (entrypoints/chat_utils.py), so that both see one prompt."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        raise PydanticCustomError("invalid_type", "must be a text or a list of parts of text")
    return "\n".join(text_of_part(part) for part in value)


def text_of_part(part: Any) -> str:
    """Takes `{"type": "text", "text": ...}`."""
    kind = part.get("type") if isinstance(part, dict) else None
    if isinstance(kind, str) and kind not in TEXT_PARTS:
        raise PydanticCustomError("unsupported_parameter", "holds a part that is no text, which this model cannot read")
    if kind is None or not isinstance(part.get("text"), str):
        raise PydanticCustomError("invalid_type", "must be a text or a list of parts of text")
    return part["text"]
