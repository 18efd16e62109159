"""Time, memory and cost of a run, estimated from a few training steps."""
