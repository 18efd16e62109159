"""Models behind HTTP: rows in as JSON, predictions out, several requests in one batch.

fields      what a row holds, from the plugin: validation, the API's document, the page's form
batcher     requests that wait, joined to batches for the one thread that runs models
measures    counters and timings, as Prometheus reads them
guard       what no request gets past: the key, the host's name, the size of a body
app         the routes
page        the page on which a person tries a model, and that of the API
server      uvicorn: bound, started, drained
settings    how it is reached, and what it takes
"""

from toolkit.deployment.serving.server import Server
from toolkit.deployment.serving.settings import ServerSettings

__all__ = ["Server", "ServerSettings"]
