"""Models served over HTTP: rows in as JSON, predictions out, several requests in one batch.

fields      the columns of a row, from the plugin: validation, OpenAPI schema, form fields
batcher     the queue: requests joined to batches for the one thread that runs models
measures    Prometheus metrics
guard       API key, host name, size and time limit of a body
app         the routes
page        the form for trying a model, and the page about the API
server      uvicorn: bound, started, drained
settings    address and limits
"""

from toolkit.deployment.serving.server import Server
from toolkit.deployment.serving.settings import ServerSettings

__all__ = ["Server", "ServerSettings"]
