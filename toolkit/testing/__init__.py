"""What the tests of a plugin call."""
