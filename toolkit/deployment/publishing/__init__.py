"""A finished run on the Hub: model, card, recipe and report in one commit, without rows of data."""

from toolkit.deployment.publishing.plan import Item, Plan, in_words
from toolkit.deployment.publishing.sending import Prepared, Pushed, prepare, send

__all__ = ["Item", "Plan", "Prepared", "Pushed", "in_words", "prepare", "send"]
