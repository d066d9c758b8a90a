"""The customer page and its files."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import NoMatchFound
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from assistant.channels.turns import Turns

PAGES = Path(__file__).parent.parent / "pages"
STATIC = PAGES / "static"
LANGUAGES = {"zh": "zh-CN", "en": "en"}
GROUPS = 3
QUESTIONS = 4
BLANK = re.compile(r"\{(\w+)\}")
YEAR = 31_536_000
FACTS = ("name", "name_en", "app_name", "hotline", "hours", "website", "complaint_line", "ai_model_name", "ai_filing",
         "retention", "privacy_url")  # fmt: skip


class VersionedFiles(StaticFiles):
    """Files under /VERSION/NAME: the version is a hash of all of them, so what it names never changes."""

    def __init__(self, directory: Path, version: str) -> None:
        super().__init__(directory=directory)
        self._version = version

    async def get_response(self, path: str, scope: Scope) -> Response:
        version, _, name = path.replace("\\", "/").partition("/")
        response = await super().get_response(name, scope)
        fresh = version == self._version
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if fresh else "no-cache"
        return response


def install(app: FastAPI, turns: Turns) -> None:
    """Serve the page at / and its files under /static."""
    version = _version()
    environment = Environment(
        loader=FileSystemLoader(PAGES / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def page(request: Request, lang: str = "zh") -> HTMLResponse:
        chosen = lang if lang in LANGUAGES else "zh"
        firm = await turns.call(_facts, turns)
        template = environment.get_template("chat.html")
        context = _context(firm, chosen, version, turns.settings.max_chars)
        context["boot"]["desk"] = _has_desk(request)
        html = template.render(**context)
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return HTMLResponse(html, headers=headers)
        return HTMLResponse(gzip.compress(html.encode(), 6), headers=headers | {"Content-Encoding": "gzip"})

    app.include_router(router)
    app.mount("/static", GZipMiddleware(VersionedFiles(STATIC, version), minimum_size=600), name="static")


@lru_cache(maxsize=1)
def strings() -> Mapping[str, Mapping[str, str]]:
    """The page's words by language."""
    loaded: Mapping[str, Mapping[str, str]] = json.loads((PAGES / "strings.json").read_text("utf-8"))
    return loaded


def _has_desk(request: Request) -> bool:
    """Whether people can answer here: then the page may ask where one stands."""
    try:
        request.app.url_path_for("live", conversation="-")
    except NoMatchFound:
        return False
    return True


def start_groups(firm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What people ask today: the firm's own groups, else general ones. Each question is {"zh": as it is sent, "en"}."""
    given = firm.get("start_groups")
    if not given:
        given = json.loads((PAGES / "start_groups.json").read_text("utf-8"))
    return [
        {
            "zh": str(group["title"]),
            "en": str(group.get("title_en") or group["title"]),
            "questions": [_question(question) for question in group.get("questions", ())][:QUESTIONS],
        }
        for group in given[:GROUPS]
    ]


def _question(question: Any) -> dict[str, str]:
    if isinstance(question, Mapping):
        return {"zh": str(question["zh"]), "en": str(question.get("en") or question["zh"])}
    return {"zh": str(question), "en": str(question)}


def _facts(turns: Turns) -> Mapping[str, Any]:
    return turns.assistant.firm()


def _context(firm: Mapping[str, Any], language: str, version: str, max_chars: int) -> dict[str, Any]:
    facts = {name: str(firm[name]) for name in FACTS if firm.get(name)}
    if not facts.get("privacy_url", "https://").startswith(("https://", "http://", "/")):
        del facts["privacy_url"]
    groups = start_groups(firm)
    words = strings()[language]
    name = (facts.get("name_en") if language == "en" else None) or facts.get("name") or words["firm_fallback"]
    filled = {**facts, "firm": name, "model": facts.get("ai_model_name", ""), "filing": facts.get("ai_filing", "")}
    return {
        "language": language,
        "html_lang": LANGUAGES[language],
        "say": lambda key: BLANK.sub(lambda found: filled.get(found[1], found[0]), words[key]),
        "firm_name": words["name_fallback"] if name == words["firm_fallback"] else name,
        "firm": {name: facts.get(name, "") for name in FACTS},
        "groups": groups,
        "base": f"static/{version}",
        "boot": {"strings": strings(), "firm": facts, "groups": groups, "maxChars": max_chars, "language": language},
    }


def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
