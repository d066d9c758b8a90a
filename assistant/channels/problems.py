"""Problems as application/problem+json (RFC 9457), worded in Chinese and English from `problems.yaml`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
BY_STATUS = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}
PARAMETER = re.compile(r"\{\w+\}")
INTERFACE = "/v1/chat/completions"


class ApiError(BaseModel):
    """The shape in which clients of the OpenAI interface look for an error."""

    message: str
    type: str
    code: str


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable; title and detail are for people, Chinese first."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry_after: int | None = None
    hotline: str | None = None
    error: ApiError | None = None


class ProblemError(Exception):
    """Raised to answer with a problem. `facts` fill the wording."""

    def __init__(self, code: str, *, retry_after: int | None = None, hotline: str = "", **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.hotline = hotline
        self.facts = facts


@lru_cache(maxsize=1)
def wording() -> Mapping[str, Any]:
    """The wording file, read once."""
    loaded: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("problems.yaml").read_text("utf-8"))
    return loaded


def problem(raised: ProblemError, *, openai: bool = False) -> Problem:
    """The problem details of an error. `openai` adds the `error` member that OpenAI clients read."""
    words = wording()["problems"][raised.code]
    lines = {language: [_fill(line, raised, language) for line in words[language]] for language in ("zh", "en")}
    title, detail = (f"{zh} / {en}" for zh, en in zip(lines["zh"], lines["en"], strict=True))
    kind = "server_error" if words["status"] >= 500 else "invalid_request_error"
    return Problem(
        type=f"urn:heshi:problem:{raised.code}",
        title=title,
        status=words["status"],
        detail=detail,
        code=raised.code,
        retry_after=raised.retry_after,
        hotline=raised.hotline or None,
        error=ApiError(message=detail, type=kind, code=raised.code) if openai else None,
    )


def respond(raised: ProblemError, *, openai: bool = False, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The HTTP answer to an error."""
    details = problem(raised, openai=openai)
    extra = dict(headers or {}) | {"Cache-Control": "no-store"}
    if raised.retry_after is not None:
        extra["Retry-After"] = str(raised.retry_after)
    return JSONResponse(details.model_dump(exclude_none=True), details.status, extra, MEDIA_TYPE)


def compact(value: Mapping[str, Any]) -> str:
    """JSON on one line, as events carry it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def event_schema(*names: str) -> dict[str, Any]:
    """The OpenAPI schema of each event of a stream; `data` is JSON on one line."""
    properties = {"event": {"type": "string", "enum": list(names)}, "data": {"type": "string"}}
    return {"type": "object", "required": ["data"], "properties": properties}


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of problems, by their codes."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        words = wording()["problems"][code]
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        known = found.get(words["status"])
        title = f"{words['zh'][0]} / {words['en'][0]}"
        if known is not None:
            title = f"{known['description']}; {title}"
        found[words["status"]] = {"description": title, "content": content}
    return found


def install(app: FastAPI) -> None:
    """Answer every refused request of `app` with a problem."""
    app.add_exception_handler(ProblemError, _raised)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _raised(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return respond(error, openai=request.url.path == INTERFACE)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return respond(_of_validation(error.errors()), openai=request.url.path == INTERFACE)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = BY_STATUS.get(error.status_code, "bad_request")
    headers = dict(error.headers or {})
    if error.status_code == 405 and (allowed := _allowed(request)):
        headers["Allow"] = allowed
    return respond(ProblemError(code), openai=request.url.path == INTERFACE, headers=headers)


def _allowed(request: Request) -> str:
    """Every method documented for the address, where the router names those of its first route only."""
    methods: set[str] = set()
    for template, operations in request.app.openapi()["paths"].items():
        if re.fullmatch(PARAMETER.sub("[^/]+", template), request.url.path):
            methods.update(name.upper() for name in operations)
    return ", ".join(sorted(methods))


def _of_validation(errors: Sequence[Mapping[str, Any]]) -> ProblemError:
    first = errors[0]
    place = tuple(str(part) for part in first["loc"])
    if first["type"] in ("json_invalid", "string_unicode"):
        return ProblemError("bad_request")
    if place == ("body", "message") and first["type"] in ("string_pattern_mismatch", "string_too_short"):
        return ProblemError("empty_message")
    return ProblemError("invalid", where=".".join(place))


def _fill(line: str, raised: ProblemError, language: str) -> str:
    hotline = wording()["hotline"][language].format(number=raised.hotline) if raised.hotline else ""
    return line.format(**{"hotline": hotline, "seconds": raised.retry_after, **raised.facts}).strip()
