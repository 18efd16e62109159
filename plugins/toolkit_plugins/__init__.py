"""The built-in scenarios, one file each; they enter by the same door as anybody's plugin."""
