"""Recipes: which scenario, model, data and settings. Data only, never code."""
