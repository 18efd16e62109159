"""The built-in scenarios; they are registered by entry points like any other plugin."""
