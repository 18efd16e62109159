"""Push a finished run to the Hub: model, card, recipe and report in one commit, without data."""

from toolkit.deployment.publishing.files import UploadPlan
from toolkit.deployment.publishing.sending import Pushed, prepare, send

__all__ = ["Pushed", "UploadPlan", "prepare", "send"]
