"""Liveness, readiness, metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from assistant.channels.edge import report
from assistant.channels.problems import documented
from assistant.channels.shapes import Health, Readiness
from assistant.channels.turns import Turns


def routes(turns: Turns) -> APIRouter:
    """The routes that operators' machines ask."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz")
    async def healthz() -> Health:
        """The process is up."""
        return Health()

    @router.get(
        "/readyz",
        responses={503: {"model": Readiness, "description": "Some part is not ready."}},
    )
    async def readyz(response: Response) -> Readiness:
        """Every part can serve."""
        found = await turns.call(_readiness, turns)
        if not found.ready:
            response.status_code = 503
        return found

    @router.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **documented("unavailable"),
        },
    )
    async def metrics() -> Response:
        """Counters and timings, without personal data."""
        return Response(turns.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _readiness(turns: Turns) -> Readiness:
    """A part that cannot even be asked is not ready."""
    try:
        checks = dict(turns.assistant.ready())
        switch_on = turns.assistant.switch_on()
    except Exception as error:  # noqa: BLE001 - readiness reports, it never raises
        report(error, "readiness")
        return Readiness(ready=False, checks={"assistant": False}, switch_on=False)
    return Readiness(ready=all(checks.values()), checks=checks, switch_on=switch_on)
