"""transformers' handlers of the three routes, with a question that was checked before and an answer that says all."""

import inspect
import json
from typing import Any

from fastapi.responses import JSONResponse
from generation import WISHES, Wishes, generation_config
from questions import ChatQuestion, CompletionQuestion, Question, ResponsesQuestion, TextQuestion, parse_question
from refusals import Refused
from stopping import cut
from transformers import GenerationConfig
from transformers.cli.serving.chat_completion import ChatCompletionHandler
from transformers.cli.serving.completion import CompletionHandler
from transformers.cli.serving.response import ResponseHandler
from transformers.cli.serving.utils import BaseHandler


class Decoding(BaseHandler):
    """How each of them decodes."""

    def _build_generation_config(
        self, body: dict[str, Any], model_generation_config: GenerationConfig, use_cb: bool = False
    ) -> GenerationConfig:
        return generation_config(body, model_generation_config)

    def prepared(self, question: Question, prompt_field: str) -> dict[str, Any]:
        """Gives the body for the handler, and the wishes to the generation that it will start."""
        stops = (question.stop if isinstance(question, TextQuestion) else None) or []
        WISHES.set(Wishes(prompt_field, question.asked_tokens(), question.seed, stops))
        _, model, tokenizer = self._resolve_model({"model": ""})
        if prompt_field != "prompt" and not getattr(tokenizer, "chat_template", None):
            message = "This model has no chat template: ask it by /v1/completions."
            raise Refused("unsupported_endpoint", message, prompt_field)
        known_kwargs(question, tokenizer)
        decoding: dict[str, Any] = {"temperature": question.temperature, "top_p": question.top_p}
        if isinstance(question, TextQuestion):
            decoding["logit_bias"] = known_tokens(question.logit_bias, model.config)
        return {"model": "", **question.fields(), **decoding}


class Chat(Decoding, ChatCompletionHandler):
    """`/v1/chat/completions`."""

    async def handle_request(self, body: dict[str, Any], request_id: str) -> Any:
        """Answers, as JSON or as a stream."""
        question = parse_question(ChatQuestion, body)
        fields = self.prepared(question, "messages")
        return stopped(await super().handle_request(fields, request_id), question.stop)


class Completion(Decoding, CompletionHandler):
    """`/v1/completions`."""

    async def handle_request(self, body: dict[str, Any], request_id: str) -> Any:
        """Answers, as JSON or as a stream."""
        question = parse_question(CompletionQuestion, body)
        fields = self.prepared(question, "prompt")
        return stopped(await super().handle_request(fields, request_id), question.stop)


class Responses(Decoding, ResponseHandler):
    """`/v1/responses`."""

    async def handle_request(self, body: dict[str, Any], request_id: str) -> Any:
        """Answers, as JSON (also when `stream` is not said: transformers would stream) or as a stream."""
        question = parse_question(ResponsesQuestion, body)
        answer = await super().handle_request(self.prepared(question, "input"), request_id)
        return incomplete(answer, question.max_output_tokens)


def known_kwargs(question: Question, tokenizer: Any) -> None:
    """Refuses what would reach the tokenizer's method instead of the template."""
    own = inspect.signature(tokenizer.apply_chat_template).parameters
    taken = next((name for name in getattr(question, "chat_template_kwargs", None) or {} if name in own), None)
    if taken is not None:
        message = f'"chat_template_kwargs.{taken}" is not for the template.'
        raise Refused("unsupported_parameter", message, f"chat_template_kwargs.{taken}")


def known_tokens(biases: dict[str, float] | None, config: Any) -> dict[str, float] | None:
    """Refuses a token that the model does not have; generating would fail on it."""
    size = config.get_text_config().vocab_size
    unknown = next((token for token in biases or {} if int(token) >= size), None)
    if unknown is not None:
        message = f'"logit_bias" names the token {unknown}; this model has tokens 0 to {size - 1}.'
        raise Refused("invalid_value", message, "logit_bias")
    return biases


def stopped(answer: Any, stops: list[str] | None) -> Any:
    """Ends a whole answer before its stop text; a stream was ended on its way."""
    if not stops or not isinstance(answer, JSONResponse):
        return answer
    content = json.loads(bytes(answer.body))
    for choice in content["choices"]:
        part, field = (choice["message"], "content") if "message" in choice else (choice, "text")
        part[field] = cut(part.get(field) or "", stops)
    return JSONResponse(content)


def incomplete(answer: Any, most_tokens: int | None) -> Any:
    """Says of a whole response that it was cut at its limit; transformers calls every one completed."""
    if most_tokens is None or not isinstance(answer, JSONResponse):
        return answer
    content = json.loads(bytes(answer.body))
    if content["usage"]["output_tokens"] < most_tokens:
        return answer
    return JSONResponse({**content, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}})
