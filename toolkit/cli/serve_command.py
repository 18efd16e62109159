"""`toolkit serve RUN`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from toolkit.cli.echo import echo
from toolkit.cli.predict_command import dtype_option, runtime_option
from toolkit.cli.recipe_arguments import complete_run

#: Sizes of the caches of compiled operations of oneDNN and of what torch keeps for it, several for
#: each batch shape. With the defaults of 1,024 a server of MiniLM grew from 600 to 740 MiB in 500
#: batches and kept growing; with 32 it stayed at 680 MiB in 8,000 requests, at the same speed.
CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32", "LRU_CACHE_CAPACITY": "32"}


@click.command("serve")
@click.argument("runs", metavar="[NAME=]RUN...", nargs=-1, required=True,
                shell_complete=complete_run)  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; "
              "anything but loopback requires an API key.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True,
              help="0 picks a free port.")  # fmt: skip
@click.option("--api-key-file", type=click.Path(path_type=Path, dir_okay=False),
              help="File with the API key; default: the variable TOOLKIT_API_KEY.")  # fmt: skip
@click.option("--batch-rows", type=click.IntRange(1), default=64, show_default=True,
              help="Maximum rows per batch.")  # fmt: skip
@click.option("--wait-ms", type=click.FloatRange(0, 10_000), default=5.0, show_default=True,
              help="How long to wait for more requests to fill a batch.")  # fmt: skip
@click.option("--queue-rows", type=click.IntRange(1), default=2048, show_default=True,
              help="Maximum rows waiting; further requests get a 429.")  # fmt: skip
@click.option("--request-rows", type=click.IntRange(1), default=256, show_default=True,
              help="Maximum rows per request.")  # fmt: skip
@click.option("--body-mb", type=click.FloatRange(0, min_open=True), default=10.0,
              show_default=True, help="Maximum size of a request.")  # fmt: skip
@click.option("--request-megapixels", type=click.FloatRange(0, min_open=True), default=100.0,
              show_default=True, help="Maximum pixels of all images of a request.")  # fmt: skip
@click.option("--connections", type=click.IntRange(1), default=512, show_default=True,
              help="Maximum open connections.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=30.0,
              show_default=True, help="Seconds until a request fails.")  # fmt: skip
@runtime_option
@dtype_option
def command(
    runs: tuple[str, ...], api_key_file: Path | None, wait_ms: float, body_mb: float,
    request_megapixels: float, **options: Any,
) -> None:  # fmt: skip
    """Serve a model over HTTP, with a web page to try it.

    Several runs are served as NAME=RUN at /models/NAME/predict; the first also at /predict. After
    Ctrl-C requests in progress are still answered.
    """
    from toolkit.cli.main import INTERRUPTED
    from toolkit.deployment.serving import Server, ServerSettings
    from toolkit.deployment.serving.server import named
    from toolkit.errors import UserError

    for name, size in CACHES.items():  # read when torch loads
        os.environ.setdefault(name, size)
    key = os.environ.get("TOOLKIT_API_KEY") or None
    if api_key_file is not None:
        try:
            key = api_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--api-key-file {api_key_file} cannot be read: {error}") from None
    settings = ServerSettings(
        api_key=key, wait=wait_ms / 1000, body_bytes=round(body_mb * 1_000_000),
        request_pixels=round(request_megapixels * 1_000_000), **options,
    )  # fmt: skip
    server = Server(named(runs), settings)
    echo(f"serving at {server.url} (Ctrl-C ends it)")
    try:
        server.run()
        if server.hangs:
            click.echo("a prediction did not end, and was dropped", err=True)
            os._exit(0)  # its thread may be in a library that crashes when Python ends
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        os._exit(INTERRUPTED)  # Python would wait for the thread that predicts
