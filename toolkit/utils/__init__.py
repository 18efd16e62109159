"""This process and this machine: text, files, locks, signals, hardware, distributed ranks."""
