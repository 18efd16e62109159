"""`toolkit serve RUN`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from toolkit.cli.echo import echo
from toolkit.cli.predict_command import computing_options

#: Prepared operations that torch keeps on processors, some for each size of a batch that came. With
#: its usual 1,024 a server of MiniLM grew from 600 to 740 MiB in 500 batches, and on; with 128 to
#: 713 MiB in the first 250, and stayed there at the same speed.
PRIMITIVES = "128"


@click.command("serve")
@click.argument("runs", metavar="[NAME=]RUN...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Another than loopback needs "
              "a key in TOOLKIT_API_KEY.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option("--api-key-file", type=click.Path(path_type=Path, dir_okay=False),
              help="A file with the key, in the place of TOOLKIT_API_KEY.")  # fmt: skip
@click.option("--batch-rows", type=click.IntRange(1), default=64, show_default=True,
              help="Rows that are predicted together at most.")  # fmt: skip
@click.option("--wait-ms", type=click.FloatRange(0, 10_000), default=5.0, show_default=True,
              help="How long a batch that is not full waits for further requests.")  # fmt: skip
@click.option("--queue-rows", type=click.IntRange(1), default=2048, show_default=True,
              help="Rows that may wait; more are answered by 429.")  # fmt: skip
@click.option("--request-rows", type=click.IntRange(1), default=256, show_default=True,
              help="Rows of one request at most.")  # fmt: skip
@click.option("--body-mb", type=click.FloatRange(0, min_open=True), default=10.0,
              show_default=True, help="Size of one request at most.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=30.0,
              show_default=True, help="Seconds until a request is given up.")  # fmt: skip
@computing_options
def command(
    runs: tuple[str, ...],
    host: str,
    port: int,
    api_key_file: Path | None,
    batch_rows: int,
    wait_ms: float,
    queue_rows: int,
    request_rows: int,
    body_mb: float,
    timeout: float,
    runtime: str,
    dtype: str,
) -> None:
    """Answer requests for predictions over HTTP, and show a page to try the model.

    Several runs are served under names (NAME=RUN), at /models/NAME/predict; the first of them
    answers /predict, too. Ctrl-C ends it when what is under way is answered.
    """
    from toolkit.cli.main import INTERRUPTED
    from toolkit.deployment.serving import Server, ServerSettings
    from toolkit.deployment.serving.server import named
    from toolkit.errors import UserError

    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", PRIMITIVES)  # read when torch loads
    key = os.environ.get("TOOLKIT_API_KEY") or None
    if api_key_file is not None:
        try:
            key = api_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--api-key-file {api_key_file} cannot be read: {error}") from None
    settings = ServerSettings(
        host, port, key, batch_rows, wait_ms / 1000, queue_rows, request_rows,
        round(body_mb * 1_000_000), timeout, runtime, dtype,
    )  # fmt: skip
    server = Server(named(runs), settings)
    echo(f"serving at {server.url} (Ctrl-C ends it)")
    try:
        server.run()
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        os._exit(INTERRUPTED)  # Python would wait for the thread that predicts
