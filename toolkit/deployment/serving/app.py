"""The routes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, HTMLResponse

from toolkit.deployment.serving import page
from toolkit.deployment.serving.batcher import Batcher, FullError
from toolkit.deployment.serving.fields import InvalidRowsError, Problem
from toolkit.deployment.serving.guard import REPORT, SECURE, Guard, RefusedError, body_of
from toolkit.deployment.serving.measures import Measures
from toolkit.errors import UserError
from toolkit.utils import jsonable

if TYPE_CHECKING:
    from toolkit.deployment.serving.model import Served
    from toolkit.deployment.serving.server import Settings

log = logging.getLogger("toolkit.deployment.serving")


def application(models: Sequence[Served], settings: Settings) -> FastAPI:
    """Return the ASGI application that serves models; the first of them also answers `/predict`."""
    measures = Measures()
    # One thread runs all models: several at once would only take each other's cores.
    executor = ThreadPoolExecutor(1, "models")
    batchers = {
        model.name: Batcher(
            model.name, model.answers, executor, measures, batch_rows=settings.batch_rows,
            wait=settings.wait, queue_rows=settings.queue_rows,
        )
        for model in models
    }  # fmt: skip

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for batcher in batchers.values():
            batcher.start()
        yield
        for batcher in batchers.values():
            await batcher.stop()
        executor.shutdown()

    app = FastAPI(
        title="toolkit", version=version("toolkit"), lifespan=lifespan, docs_url=None,
        redoc_url=None, description="Fine-tuned models: rows in, predictions out.",
    )  # fmt: skip
    for place, model in enumerate(models):
        _serve(app, f"/models/{model.name}", model, batchers[model.name], measures, settings)
        if not place:
            _serve(app, "", model, batchers[model.name], measures, settings)
    _common(app, models, measures, settings)
    app.add_middleware(Guard, key=settings.api_key, own_names=settings.on_loopback)
    return app


def _serve(
    app: FastAPI,
    prefix: str,
    model: Served,
    batcher: Batcher,
    measures: Measures,
    settings: Settings,
) -> None:
    """Add the routes of one model."""
    name, tag = model.name, prefix or "/"

    async def predict(request: Request) -> Response:
        start, status = time.perf_counter(), 500
        try:
            found, rows = await _predicted(request, model, batcher, settings)
            status = found.status_code
            if status == 200:
                measures.rows.labels(name).inc(rows)
            return found
        finally:
            measures.requests.labels(name, str(status)).inc()
            measures.seconds.labels(name).observe(time.perf_counter() - start)

    body = {"required": True, "content": {"application/json": {
        "schema": model.fields.schema(settings.request_rows)}}}  # fmt: skip
    app.add_api_route(
        f"{prefix}/predict", predict, methods=["POST"], tags=[tag],
        summary="One row, or a list of rows", operation_id=f"predict{prefix.replace('/', '_')}",
        description=f"Predictions of {name}: an object for a row, a list for a list of rows.",
        openapi_extra={"requestBody": body}, responses=_answers(settings),
    )  # fmt: skip

    async def info() -> Response:
        return _json(model.info())

    app.add_api_route(f"{prefix}/info", info, tags=[tag], summary="What the model is worth",
                      operation_id=f"info{prefix.replace('/', '_')}")  # fmt: skip
    if model.run.report.is_file():

        async def report() -> Response:
            return FileResponse(model.run.report, headers=REPORT, media_type="text/html")

        app.add_api_route(f"{prefix}/report", report, include_in_schema=False)


async def _predicted(
    request: Request, model: Served, batcher: Batcher, settings: Settings
) -> tuple[Response, int]:
    """Return the answer to a request, and the number of its rows."""
    end = time.monotonic() + settings.timeout
    try:
        body = await body_of(request, settings.body_bytes, settings.timeout)
        rows, several = model.fields.read(body, settings.request_rows)
        try:
            found = await batcher.predict(rows, end - time.monotonic())
        except InvalidRowsError as error:
            raise error if several else error.of_one_row() from None
        return _json(found if several else found[0]), len(rows)
    except InvalidRowsError as error:
        return _refused(422, [_problem(problem) for problem in error.problems])
    except UserError as error:
        problems = [Problem((f.where,) if f.where else (), f.what) for f in error.faults]
        return _refused(422, [_problem(problem) for problem in problems])
    except FullError as error:
        return _refused(429, f"{error}: try again in {error.retry_after} s",
                        Retry_After=str(error.retry_after))  # fmt: skip
    except TimeoutError:
        what = f"no prediction within {settings.timeout:g} s"
        return _refused(503, what, Retry_After=str(max(1, round(settings.timeout))))
    except RefusedError as refused:
        return refused.response(), 0
    except ClientDisconnect:
        return Response(status_code=499), 0  # nobody reads it; as nginx counts it
    except Exception:
        log.exception("%s: a request could not be predicted", model.name)
        return _refused(500, "the model failed on this request; the server's log says why")


def _common(app: FastAPI, models: Sequence[Served], measures: Measures, settings: Settings) -> None:
    """Add the routes that belong to no model."""

    @app.get("/health", tags=["server"], summary="Whether the server takes requests")
    async def health() -> Any:
        return {"status": "ok", "models": [model.name for model in models]}

    @app.get("/metrics", tags=["server"], summary="Counters and timings, for Prometheus")
    async def metrics() -> Response:
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def html(path: str, text: str) -> None:
        async def show() -> Response:
            return HTMLResponse(text, headers=SECURE)

        app.add_api_route(path, show, include_in_schema=False)

    html("/", page.try_it(models))
    html("/docs", page.api(models, app.openapi()))
    for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
        _file(app, name, kind)


def _file(app: FastAPI, name: str, kind: str) -> None:
    text = page.asset(name)

    async def show() -> Response:
        return Response(text, media_type=kind, headers=SECURE)

    app.add_api_route(f"/{name}", show, include_in_schema=False)


def _json(value: Any) -> Response:
    return Response(jsonable.line(value), media_type="application/json")


def _refused(status: int, detail: Any, **headers: str) -> tuple[Response, int]:
    return RefusedError(status, detail, **headers).response(), 0


def _problem(problem: Problem) -> Mapping[str, Any]:
    """Return a problem as FastAPI tells its own."""
    return {"loc": ["body", *problem.where], "msg": problem.what}


def _answers(settings: Settings) -> dict[int | str, dict[str, Any]]:
    """Return the answers of `/predict` other than 200, for the API's document."""
    told = {
        408: "the body came too slowly",
        413: f"the body is larger than {settings.body_bytes:,} bytes",
        415: "the body is no JSON by its header",
        422: "rows that the model cannot take, each with the reason",
        429: "too many rows wait already: Retry-After says when to come again",
        503: f"no prediction within {settings.timeout:g} s",
    }
    if settings.api_key is not None:
        told[401] = "no key, or not the right one: send Authorization: Bearer KEY"
    return {status: {"description": text} for status, text in told.items()}
