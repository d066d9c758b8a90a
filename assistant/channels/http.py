"""The HTTP channel as one FastAPI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from assistant.channels import chat, completions, health, page, problems, screen
from assistant.channels.edge import Edge, security_headers
from assistant.channels.metrics import Metrics
from assistant.channels.problems import Problem
from assistant.channels.seam import Assistant
from assistant.channels.settings import HttpSettings
from assistant.channels.turns import Turns
from assistant.people import pages
from assistant.people.access import FILE, Guard, load
from assistant.people.accounts import People
from assistant.people.pages import Desk


class Mounted(Protocol):
    """Another channel served by the same application: its routes, and its life."""

    @property
    def routers(self) -> Sequence[APIRouter]: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


def build(
    assistant: Assistant,
    settings: HttpSettings,
    mounted: Sequence[Mounted] = (),
    people: People | None = None,
    desks: Sequence[Desk] = (),
    access: Sequence[Path] = (FILE,),
) -> FastAPI:
    """The application: API, customer page, health, metrics, and what is mounted. It owns its threads and ends them at
    shutdown. With `people` there is a login, and every request is held against the tables of `access`."""
    turns = Turns(assistant, settings, Metrics())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for channel in mounted:
            channel.start()
        yield
        for channel in mounted:
            await asyncio.to_thread(channel.stop)
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
    app.include_router(screen.routes(turns))
    app.include_router(health.routes(turns))
    for channel in mounted:
        for router in channel.routers:
            app.include_router(router)
    page.install(app, turns)
    problems.install(app)
    if people is not None:
        app.include_router(pages.routes(people, desks))
        app.add_middleware(Guard, access=load(access), person=people.person, routes=lambda: app.router.routes)
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
