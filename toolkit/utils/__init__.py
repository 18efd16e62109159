"""This process and this machine: text, files, locks, signals, hardware, ranks of a distributed run."""
