"""The routes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import generate_latest
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route

from toolkit.deployment.serving.batcher import Batcher, Rows, later
from toolkit.deployment.serving.bodies import Bodies
from toolkit.deployment.serving.fields import unprocessable
from toolkit.deployment.serving.guard import REPORT, SECURE, Guard
from toolkit.deployment.serving.measures import Measures
from toolkit.deployment.serving.model import Rejected
from toolkit.deployment.serving.page import ADDRESS, asset, page
from toolkit.deployment.serving.settings import ServerSettings
from toolkit.deployment.serving.worker import Worker
from toolkit.errors import ToolkitError, UserError
from toolkit.runs.prediction_files import inline
from toolkit.utils import jsonable
from toolkit.utils.files import read_own
from toolkit.utils.packages import __version__

if TYPE_CHECKING:
    from toolkit.deployment.serving.model import Served

T = TypeVar("T")
SHOW = "show"  # in the query of the page's requests: HTML of what the plugin shows
log = logging.getLogger("toolkit.deployment.serving")


def application(models: Sequence[Served], settings: ServerSettings) -> FastAPI:
    """Return the ASGI application that serves models; `/predict` is the first of them."""
    measures, worker, bodies = Measures(), Worker(), Bodies(settings)
    batchers = {model.name: Batcher(model, worker, measures, settings) for model in models}

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for batcher in batchers.values():
            await batcher.stop()
        bodies.close()
        app.state.hangs = worker.close()

    app = FastAPI(
        title="toolkit", version=__version__, lifespan=lifespan, docs_url=None,
        redoc_url=None, description="Fine-tuned models: rows in, predictions out.",
    )  # fmt: skip
    for prefix, model in (("", models[0]), *((f"/models/{model.name}", model) for model in models)):
        _Endpoints(model, batchers[model.name], bodies, measures, settings).add_to(app, prefix)
    _common(app, models, batchers, measures)
    app.add_middleware(Guard, settings=settings)
    return app


@dataclass(frozen=True)
class _Endpoints:
    """The endpoints of one model."""

    model: Served
    batcher: Batcher
    bodies: Bodies
    measures: Measures
    settings: ServerSettings

    def add_to(self, app: FastAPI, prefix: str) -> None:
        """Add the routes, below a path."""
        tag, suffix = prefix or "/", prefix.replace("/", "_")
        body = {"required": True, "content": {"application/json": {
            "schema": self.model.fields.schema(self.settings.request_rows)}}}  # fmt: skip
        what = (
            f"Predictions of {self.model.name}: an object for a row, a list for a list of rows, "
            'with {"error": reason} in the place of a malformed one.'
        )
        app.add_api_route(
            f"{prefix}/predict", self.predict, methods=["POST"], tags=[tag], description=what,
            summary="One row, or a list of rows", operation_id=f"predict{suffix}",
            openapi_extra={"requestBody": body}, responses=_errors(self.settings),
        )  # fmt: skip
        app.add_api_route(f"{prefix}/info", self.info, tags=[tag], operation_id=f"info{suffix}",
                          summary="Scores and columns of the model")  # fmt: skip
        if self.model.run.report.is_file():
            app.add_api_route(f"{prefix}/report", self.report, include_in_schema=False)

    async def info(self) -> Response:
        return _json(self.model.info())

    def report(self) -> Response:
        """Return the report as it is now; it may have been replaced since the server started."""
        try:
            content = read_own(self.model.run.report)
        except OSError:
            raise HTTPException(404) from None
        return Response(content, headers=REPORT, media_type="text/html")

    async def predict(self, request: Request) -> Response:
        start, status, name = time.perf_counter(), 500, self.model.name
        try:
            rows, found, several = await self._predicted(request)
            status = 200
            self.measures.rows.labels(name).inc(len(found))
            if several:
                return _json([{"error": one.why} if isinstance(one, Rejected) else one
                              for one in found])  # fmt: skip
            if SHOW in request.query_params:
                html = await self._shown(rows[0], found[0])
                return _json({"prediction": found[0], "html": html})
            return _json(found[0])
        except HTTPException as refused:
            status = refused.status_code
            raise
        finally:
            self.measures.requests.labels(name, str(status)).inc()
            self.measures.seconds.labels(name).observe(time.perf_counter() - start)

    async def _shown(self, row: Mapping[str, Any], prediction: Any) -> str:
        """Return the HTML of what the plugin shows of a row; "" where that fails or takes long."""
        seconds = self.settings.timeout
        work = self.batcher.worker.run(partial(self.model.shown, row, prediction), 2 * seconds)
        try:  # what has begun is not cancelled, as the next job would begin beside it
            return await asyncio.wait_for(asyncio.shield(work), seconds)
        except (TimeoutError, ToolkitError):
            return ""

    async def _predicted(self, request: Request) -> tuple[Rows, list[Any], bool]:
        """Return the rows of a request, an answer for each, and whether they are a list."""
        settings = self.settings
        end = time.monotonic() + settings.timeout
        try:
            async with self.bodies.of(request) as body:
                reader = partial(self.model.fields.read, rows=settings.request_rows,
                                 pixels=settings.request_pixels)  # fmt: skip
                rows, several, wrong, pixels = await self.bodies.read(body, reader)
                work = self.batcher.predict(rows, end - time.monotonic(), pixels)
                found = await _while_connected(request, work)
            for place in sorted(wrong):
                found.insert(place, Rejected(wrong[place]))
            if all(isinstance(one, Rejected) for one in found):
                raise unprocessable(((str(n),) if several else (), one.why)
                                    for n, one in enumerate(found[:20]))  # fmt: skip
            return rows, found, several
        except HTTPException:
            raise
        except UserError as error:
            faults = (((f.where,) if f.where else (), f.what) for f in error.faults)
            raise unprocessable(faults) from None
        except TimeoutError:
            what = f"no prediction within {settings.timeout:g} s"
            raise later(503, what, settings.timeout) from None
        except ClientDisconnect:
            raise HTTPException(499) from None  # nobody reads it; the code of nginx
        except Exception:
            log.exception("%s: a request could not be predicted", self.model.name)
            what = "the model failed on this request; the server's log has the reason"
            raise HTTPException(500, what) from None


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work, which is given up where the client disconnects."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    tasks = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            return tasks[0].result()
        raise ClientDisconnect
    finally:
        for task in tasks:
            task.cancel()


def _common(
    app: FastAPI, models: Sequence[Served], batchers: Mapping[str, Batcher], measures: Measures
) -> None:
    """Add the routes of the server itself."""

    @app.get("/health", tags=["server"], summary="Whether the server can predict",
             responses={503: {"description": "a model cannot predict at present"}})  # fmt: skip
    async def health() -> Response:
        faults = {name: one.fault for name, one in batchers.items() if one.fault}
        told = {"status": "failing", "faults": faults} if faults else {"status": "ok"}
        names = [model.name for model in models]
        return JSONResponse({**told, "models": names}, 503 if faults else 200)

    @app.get("/metrics", tags=["server"], summary="Counters and timings, for Prometheus")
    async def metrics() -> Response:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(generate_latest(measures.registry), media_type=kind)

    documentation = page("api", models, app.openapi())

    async def docs(request: Request) -> Response:
        """Return the page with the address by which it was asked for."""
        here = escape(str(request.base_url).rstrip("/"))
        return Response(documentation.replace(ADDRESS, here), 200, SECURE, "text/html")

    app.router.routes.append(Route("/docs", docs, methods=["GET"]))
    for path, text, kind in (
        ("/", page("try", models, app.openapi()), "text/html"),
        ("/page.js", asset("page.js"), "text/javascript"),
        ("/page.css", asset("page.css"), "text/css"),
    ):
        # A response is an ASGI application itself.
        app.router.routes.append(Route(path, Response(text, 200, SECURE, kind), methods=["GET"]))


def _json(value: Any) -> Response:
    return Response(jsonable.line(value, inline), media_type="application/json")


def _errors(settings: ServerSettings) -> dict[int | str, dict[str, Any]]:
    """Return the error codes of `/predict`, for the OpenAPI schema."""
    found = {
        408: "the headers or the body arrived too slowly",
        413: f"the body is larger than {settings.body_bytes:,} bytes",
        415: "the content type is not JSON, or the body is compressed",
        422: "rows that the model cannot process, each with the reason",
        429: "too many rows are waiting: Retry-After gives the seconds to wait",
        431: "too many or too large headers",
        503: f"no prediction within {settings.timeout:g} s, or too many large requests",
    }
    if settings.api_key is not None:
        found[401] = "missing or wrong API key: send Authorization: Bearer KEY"
    return {status: {"description": text} for status, text in found.items()}
