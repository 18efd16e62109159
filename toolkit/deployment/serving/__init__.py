"""Models served over HTTP: rows in as JSON, predictions out, several requests in one batch."""

from toolkit.deployment.serving.server import Server
from toolkit.deployment.serving.settings import ServerSettings

__all__ = ["Server", "ServerSettings"]
