"""Names for what goes in and out of hooks."""

from collections.abc import Mapping
from typing import Any

JsonValue = Any
Prediction = dict[str, JsonValue]
Row = Mapping[str, Any]
