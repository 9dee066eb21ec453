"""What the CPU server says no with: errors in OpenAI's shape, so that OpenAI's clients raise them as their own kinds.

https://platform.openai.com/docs/guides/error-codes
"""

from typing import TYPE_CHECKING, Any

from failures import first_line

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse


class Refused(Exception):  # noqa: N818  it is the client's error, not ours
    """A request that is not answered, with status 400.

    Attributes:
        code: for example `invalid_type`.
        param: the field, for example `messages[0].content`; None when it is the body.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        """Keeps the code and the field beside the message."""
        super().__init__(message)
        self.code = code
        self.param = param


def speak_openai(app: "FastAPI") -> None:
    """Puts every failure of the routes into OpenAI's shape; FastAPI's own is `{"detail": ...}`."""
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from jinja2 import TemplateError
    from starlette.exceptions import HTTPException

    async def refused(_: Request, error: Any) -> "JSONResponse":
        return error_response(400, error.code, str(error), error.param)

    async def no_object(_: Request, __: Exception) -> "JSONResponse":
        return error_response(400, "invalid_json", "The body is not a JSON object.")

    async def template_refused(_: Request, error: Exception) -> "JSONResponse":
        message = f"The model's chat template does not take these messages: {first_line(error)}"
        return error_response(400, "invalid_value", message, "messages")

    async def route_refused(request: Request, error: Any) -> "JSONResponse":
        if error.status_code not in (404, 405):
            return error_response(error.status_code, "refused", str(error.detail))
        message = f"This model server does not offer {request.method} {request.url.path}."
        return error_response(error.status_code, "unsupported_endpoint", message)

    async def failed(_: Request, error: Exception) -> "JSONResponse":
        message = f"The model server failed with {type(error).__name__}; its log says where."
        return error_response(500, "internal_error", message)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, no_object)
    app.add_exception_handler(TemplateError, template_refused)
    app.add_exception_handler(HTTPException, route_refused)
    app.add_exception_handler(Exception, failed)


def error_response(status: int, code: str, message: str, param: str | None = None) -> "JSONResponse":
    """Writes `{"error": {...}}`."""
    from fastapi.responses import JSONResponse

    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status_code=status)
