"""The page beside a customer's chat in WeCom: who the customer is, a draft with its sources, a check of what one types,
and sending it, logged first. Narrow, and without anything to install."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from assistant.channels.problems import ProblemError
from assistant.channels.wecom import events, kf
from assistant.channels.wecom.answering import Answers
from assistant.channels.wecom.api import Api
from assistant.channels.wecom.gate import Gate
from assistant.channels.wecom.messages import Messages
from assistant.channels.wecom.session import PATH, Members
from assistant.channels.wecom.settings import WecomSettings
from assistant.channels.wecom.staff import held_back
from assistant.channels.wecom.vault import Vault
from assistant.log import Log
from assistant.record import plain
from assistant.turn import Asked, Finding

CHANNEL = "wecom-sidebar"
PAGES = Path(__file__).parent / "pages"
FILES = {"sidebar.js": "text/javascript", "sidebar.css": "text/css"}
SDK = "https://res.wx.qq.com https://open.work.weixin.qq.com https://wwcdn.weixin.qq.com"
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; script-src 'self' {SDK}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "unsafe-none",
    "X-Frame-Options": "SAMEORIGIN",
}
LATEST = 6
SENIOR = 65
Words = Annotated[str, Field(min_length=1, max_length=4000)]
Id = Annotated[str, Field(min_length=1, max_length=128)]


class About(BaseModel):
    """A request about one customer, named by external_userid."""

    model_config = ConfigDict(strict=True)

    customer: Id


class Written(About):
    """A text a member typed or took over. `answering` is the last message seen; `override` a reason for "revise"."""

    text: Words
    answering: str | None = None
    override: Annotated[str, Field(max_length=500)] | None = None


class Sidebar:
    """The routes under /wecom/sidebar. All but the way in need a member's session."""

    def __init__(
        self,
        settings: WecomSettings,
        api: Api,
        vault: Vault,
        answers: Answers,
        gate: Gate,
        log: Log,
        messages: Messages,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._api = api
        self._vault = vault
        self._answers = answers
        self._gate = gate
        self._log = log
        self._messages = messages
        self._clock = clock
        self._members = Members(settings, api, vault, clock)

    def routes(self) -> APIRouter:
        router = APIRouter(prefix=PATH, include_in_schema=False)

        @router.get("")
        async def page(request: Request) -> Response:
            if self._members.member(request) is None:
                address, state = self._members.address()
                response: Response = RedirectResponse(address, 302)
                self._members.expect(response, state)
                return response
            return Response(_page(), media_type="text/html", headers=HEADERS)

        @router.get("/enter")
        async def enter(request: Request) -> Response:
            member = await run_in_threadpool(self._members.enter, request)
            if member is None:
                raise ProblemError("not_found")
            response = RedirectResponse(PATH, 302)
            self._members.remember(response, member)
            return response

        @router.get("/static/{name}")
        async def static(name: str) -> Response:
            if name not in FILES:
                raise ProblemError("not_found")
            return FileResponse(PAGES / name, media_type=FILES[name], headers={"Cache-Control": "max-age=3600"})

        @router.get("/config")
        async def config(request: Request, url: str) -> Response:
            self._member(request)
            return JSONResponse(await run_in_threadpool(self.signed, url))

        @router.get("/card")
        async def card(request: Request, customer: Id) -> Response:
            self._member(request)
            return JSONResponse(await run_in_threadpool(self.card, customer))

        @router.post("/draft")
        async def draft(request: Request, given: Written) -> Response:
            return JSONResponse(await run_in_threadpool(self.draft, self._member(request), given.customer, given.text))

        @router.post("/screen")
        async def screen(request: Request, given: Written) -> Response:
            self._member(request)
            return JSONResponse(await run_in_threadpool(self.screen, given.customer, given.text))

        @router.post("/release")
        async def release(request: Request, given: Written) -> Response:
            answer, status = await run_in_threadpool(self.release, self._member(request), given)
            return JSONResponse(answer, status)

        return router

    def signed(self, url: str) -> Mapping[str, Any]:
        """What wx.config and wx.agentConfig need for our own page, and for no other address."""
        own = f"{self._settings.public_url.rstrip('/')}{PATH}"
        address = url.split("#")[0]
        if address != own and not address.startswith(f"{own}?"):
            raise ProblemError("invalid", where="url")
        nonce, at = secrets.token_hex(8), int(self._clock())
        common = {"timestamp": at, "nonceStr": nonce}
        return {
            "corp": self._settings.corp_id,
            "agent": self._settings.app_agent_id,
            **common,
            "config": _signature(self._api.ticket("corp"), nonce, at, address),
            "agent_config": _signature(self._api.ticket("agent"), nonce, at, address),
        }

    def card(self, external_userid: str) -> Mapping[str, Any]:
        """The customer at a glance, and the latest turns with the assistant."""
        customer = self._gate.customer(external_userid)
        conversation = self._messages.of_customer(external_userid, kf.CHANNEL)
        entries = self._log.conversation(conversation.id, 40) if conversation is not None else []
        said = [
            {"at": entry.recorded_at, "question": entry.body["question"], "answer": entry.body["reply"]["body"]}
            for entry in entries
            if entry.event == "turn"
        ]
        today = self._gate.today()
        born = customer.birth_date if customer is not None else None
        age = None if born is None else today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        return {
            "customer": None if customer is None else plain(asdict(customer)) | {"birth_date": None},
            "senior": age is not None and age >= SENIOR,
            "minor": age is not None and age < 18,
            "expired": customer is not None and customer.valid_until is not None and customer.valid_until < today,
            "turns": said[-LATEST:],
            "answering": None if conversation is None else self._messages.newest(conversation.id),
        }

    def draft(self, member: str, external_userid: str, text: str) -> Mapping[str, Any]:
        """The assistant's answer to a question, for a member to use; a turn of its own, logged like any other."""
        reply = self._answers.answer(
            Asked(
                text=text,
                channel=CHANNEL,
                today=self._gate.today(),
                conversation=self._vault.name("sidebar", member, external_userid),
                customer=self._gate.customer(external_userid),
            )
        )
        conversation = self._messages.of_customer(external_userid, kf.CHANNEL)
        return {
            "turn": reply.turn,
            "outcome": reply.outcome,
            "text": reply.body,
            "sources": [{"title": one.title, "version": one.version, "quote": one.quote} for one in reply.citations],
            "answering": None if conversation is None else self._messages.newest(conversation.id),
        }

    def screen(self, external_userid: str, text: str) -> Mapping[str, Any]:
        """What is found in a text a member typed."""
        said = self._gate.staff(text, "staff", self._gate.customer(external_userid), ())
        return {"text": said.text, "findings": [_shown(found) for found in said.findings]}

    def release(self, member: str, given: Written) -> tuple[Mapping[str, Any], int]:
        """Let the page send a text: screened, not overtaken by the customer, and logged before it is given back."""
        said = self._gate.staff(given.text, "staff", self._gate.customer(given.customer), ())
        conversation = self._messages.of_customer(given.customer, kf.CHANNEL)
        name = self._messages.conversation_id(CHANNEL, "", given.customer) if conversation is None else conversation.id
        body: dict[str, Any] = {
            "channel": CHANNEL, "speaker": "staff", "staff": member, "kind": "sidebar",
            "findings": plain([asdict(one) for one in said.findings]), "override": given.override,
        }  # fmt: skip
        reason = None
        if held_back(said.findings, given.override):
            reason = "findings"
        elif conversation is not None and given.answering and self._messages.newest(conversation.id) != given.answering:
            reason = "moved_on"
        if reason is not None:
            self._log.append(name, events.WITHHELD, body | {"reason": reason, "text": self._gate.masked(said.text)})
            return {"reason": reason, "findings": [_shown(one) for one in said.findings]}, 409
        turn = self._log.append(name, events.OUTBOUND, body | {"text": said.text})
        return {"text": said.text, "id": turn}, 200

    def _member(self, request: Request) -> str:
        member = self._members.member(request)
        if member is None:
            raise ProblemError("not_found")
        return member


def _shown(found: Finding) -> Mapping[str, Any]:
    return {
        "action": found.action,
        "check": found.check,
        "reason": found.reason,
        "clause": found.clause,
        "span": found.span,
    }


def _signature(ticket: str, nonce: str, at: int, url: str) -> str:
    joined = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={at}&url={url}"
    return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=1)
def _page() -> str:
    return (PAGES / "sidebar.html").read_text("utf-8")
