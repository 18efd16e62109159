"""The routes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import generate_latest
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse
from starlette.routing import Route

from toolkit.deployment.serving.batcher import Batcher, Rows, later
from toolkit.deployment.serving.fields import unprocessable
from toolkit.deployment.serving.guard import REPORT, SECURE, Guard, body_of
from toolkit.deployment.serving.measures import Measures
from toolkit.deployment.serving.model import Rejected
from toolkit.deployment.serving.page import asset, page
from toolkit.deployment.serving.settings import ServerSettings
from toolkit.errors import UserError
from toolkit.runs.prediction_files import inline
from toolkit.utils import jsonable

if TYPE_CHECKING:
    from toolkit.deployment.serving.model import Served

SHOW = "show"  # in the query of the page's requests: HTML of what the plugin shows
log = logging.getLogger("toolkit.deployment.serving")


def application(models: Sequence[Served], settings: ServerSettings) -> FastAPI:
    """Return the ASGI application that serves models; `/predict` is the first of them."""
    measures = Measures()
    # One thread runs all models: several would compete for the same cores.
    executor = ThreadPoolExecutor(1, "models")
    batchers = {
        model.name: Batcher(model.name, model.answers, executor, measures, settings)
        for model in models
    }

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for batcher in batchers.values():
            await batcher.stop()
        executor.shutdown()

    app = FastAPI(
        title="toolkit", version=version("toolkit"), lifespan=lifespan, docs_url=None,
        redoc_url=None, description="Fine-tuned models: rows in, predictions out.",
    )  # fmt: skip
    for prefix, model in (("", models[0]), *((f"/models/{model.name}", model) for model in models)):
        _Endpoints(model, batchers[model.name], measures, settings).add_to(app, prefix)
    _common(app, models, measures)
    app.add_middleware(Guard, settings=settings)
    return app


@dataclass(frozen=True)
class _Endpoints:
    """The endpoints of one model."""

    model: Served
    batcher: Batcher
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

    async def report(self) -> Response:
        return FileResponse(self.model.run.report, headers=REPORT, media_type="text/html")

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
                work = partial(self.model.shown, rows[0], found[0])
                loop = asyncio.get_running_loop()  # in the one thread that runs all models
                html = await loop.run_in_executor(self.batcher.executor, work)
                return _json({"prediction": found[0], "html": html})
            return _json(found[0])
        except HTTPException as refused:
            status = refused.status_code
            raise
        finally:
            self.measures.requests.labels(name, str(status)).inc()
            self.measures.seconds.labels(name).observe(time.perf_counter() - start)

    async def _predicted(self, request: Request) -> tuple[Rows, list[Any], bool]:
        """Return the rows of a request, an answer for each, and whether they are a list."""
        settings, several = self.settings, True
        end = time.monotonic() + settings.timeout
        try:
            body = await body_of(request, settings.body_bytes, settings.timeout)
            rows, several, wrong = self.model.fields.read(body, settings.request_rows)
            found = await self.batcher.predict(rows, end - time.monotonic())
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


def _common(app: FastAPI, models: Sequence[Served], measures: Measures) -> None:
    """Add the routes of the server itself."""

    @app.get("/health", tags=["server"], summary="Whether the server accepts requests")
    async def health() -> Any:
        return {"status": "ok", "models": [model.name for model in models]}

    @app.get("/metrics", tags=["server"], summary="Counters and timings, for Prometheus")
    async def metrics() -> Response:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(generate_latest(measures.registry), media_type=kind)

    for path, text, kind in (
        ("/", page("try", models, app.openapi()), "text/html"),
        ("/docs", page("api", models, app.openapi()), "text/html"),
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
        408: "the body arrived too slowly",
        413: f"the body is larger than {settings.body_bytes:,} bytes",
        415: "the content type is not JSON",
        422: "rows that the model cannot process, each with the reason",
        429: "too many rows are waiting: Retry-After gives the seconds to wait",
        503: f"no prediction within {settings.timeout:g} s",
    }
    if settings.api_key is not None:
        found[401] = "missing or wrong API key: send Authorization: Bearer KEY"
    return {status: {"description": text} for status, text in found.items()}
