"""The HTTP channel as one FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from assistant.channels import chat, completions, health, page, problems
from assistant.channels.edge import Edge, security_headers
from assistant.channels.metrics import Metrics
from assistant.channels.problems import Problem
from assistant.channels.seam import Assistant
from assistant.channels.settings import HttpSettings
from assistant.channels.turns import Turns


def build(assistant: Assistant, settings: HttpSettings) -> FastAPI:
    """The application: API, customer page, health, metrics. It owns its threads and ends them at shutdown."""
    turns = Turns(assistant, settings, Metrics())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        turns.close()

    app = FastAPI(
        title="Heshi",
        version="1",
        description="Answers customers of a securities broker from approved materials only.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.include_router(chat.routes(turns))
    app.include_router(completions.routes(turns))
    app.include_router(health.routes(turns))
    page.install(app, turns)
    problems.install(app)
    app.add_middleware(
        Edge,
        headers=security_headers(settings.frame_ancestors),
        max_body=settings.max_body,
        body_timeout_s=settings.body_timeout_s,
        hotline=turns.hotline,
    )
    app.openapi = _openapi(app, settings)  # type: ignore[method-assign]
    app.state.turns = turns
    return app


def _openapi(app: FastAPI, settings: HttpSettings) -> Callable[[], dict[str, Any]]:
    """The schema, made once from the routes, with what only the settings know."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            parts = made["components"]["schemas"]
            own = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            parts.update(own.pop("$defs", {}))
            parts["Problem"] = own
            parts["ChatRequest"]["properties"]["message"]["maxLength"] = settings.max_chars
            app.openapi_schema = made
        return app.openapi_schema

    return schema
