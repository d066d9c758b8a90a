"""The pages of the staff desk, and the desk as one channel the server mounts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import FileResponse, Response

from assistant.channels import live, staff
from assistant.channels.page import LANGUAGES, PAGES, STATIC, YEAR
from assistant.channels.problems import ProblemError
from assistant.channels.seam import Assistant
from assistant.channels.settings import HttpSettings
from assistant.channels.staff import StaffDesk
from assistant.desk.desk import Desk
from assistant.people.pages import Desk as Offered

OWN = PAGES / "staff"
ACCESS = Path(__file__).parent.parent / "desk" / "access.yaml"
OFFERED = Offered("客服台", "/staff", frozenset({"staff", "adviser"}))
SHARED = ("tokens.css", "dom.js", "blocks.js", "early.js", "icon.svg")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class StaffChannel:
    """The staff desk: API, pages, and what customers' pages ask of it. The server mounts it, starts and stops it."""

    def __init__(self, desk: Desk, assistant: Assistant, settings: HttpSettings) -> None:
        self._desk = desk
        self._staff = StaffDesk(desk)
        self._routers = (staff.routes(self._staff), live.routes(self._staff, assistant, settings), _pages())

    @property
    def routers(self) -> Sequence[APIRouter]:
        return self._routers

    def start(self) -> None:
        self._desk.start()

    def stop(self) -> None:
        self._desk.stop()
        self._staff.close()


def _pages() -> APIRouter:
    router = APIRouter(include_in_schema=False)
    environment = Environment(
        loader=FileSystemLoader(OWN), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )

    @router.get("/staff")
    async def page(lang: str = "zh") -> HTMLResponse:
        chosen = lang if lang in LANGUAGES else "zh"
        context = {"base": f"/staff/static/{_version()}", "html_lang": LANGUAGES[chosen], "say": strings()[chosen],
                   "boot": {"strings": strings(), "language": chosen}}  # fmt: skip
        html = environment.get_template("staff.html").render(**context)
        return HTMLResponse(html, headers={"Cache-Control": "no-cache"})

    @router.get("/staff/static/{version}/{name}")
    async def file(version: str, name: str) -> Response:
        """The desk's own files, and those it shares with the customer page."""
        place = OWN / name if name not in SHARED else STATIC / name
        kind = TYPES.get(place.suffix)
        if kind is None or "/" in name or not place.is_file():
            raise ProblemError("not_found")
        fresh = version == _version()
        cache = f"private, max-age={YEAR}, immutable" if fresh else "no-cache"
        return FileResponse(place, media_type=kind, headers={"Cache-Control": cache})

    return router


@lru_cache(maxsize=1)
def strings() -> dict[str, Any]:
    """The desk's words by language."""
    loaded: dict[str, Any] = json.loads((OWN / "strings.json").read_text("utf-8"))
    return loaded


def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted([*OWN.iterdir(), *(STATIC / name for name in SHARED)]):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
