"""Named entities and other labelled spans of a text."""
