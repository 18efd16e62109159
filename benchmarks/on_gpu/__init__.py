"""Parts of `benchmarks/gpu.py`: what it measures on, and the sides that it compares."""
