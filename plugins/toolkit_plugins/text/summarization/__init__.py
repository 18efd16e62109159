"""Texts in few sentences."""
