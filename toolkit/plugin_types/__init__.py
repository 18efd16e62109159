"""Arguments and return values of the hooks of a plugin."""

# Several names a line.
# isort: off
# fmt: off
from toolkit.plugin_types.columns import (
    Column, InputColumn, LabelColumn, ListColumn, ListTargetColumn, NoOptions, NumberColumn,
    ObjectColumn, Options, TargetColumn, TextColumn, column_markers, columns,
)
from toolkit.plugin_types.occlusion import Occlusion, RowPart
from toolkit.plugin_types.values import (
    Baseline, BaselineData, BaselineResult, Ints, JsonValue, Prediction, PredictionFile,
    ReshapedRows, Row, RowInspection, SourceRows, open_file,
)
from toolkit.plugin_types.shown import (
    Box, Curve, Figure, MarkedImage, MarkedText, Point, Series, Shown, SideBySide, Sound,
    Span, Table,
)

__all__ = [
    "Baseline", "BaselineData", "BaselineResult", "Box", "Column", "Curve", "Figure", "InputColumn",
    "Ints", "JsonValue", "LabelColumn", "ListColumn", "ListTargetColumn", "MarkedImage",
    "MarkedText", "NoOptions", "NumberColumn", "ObjectColumn", "Occlusion", "Options", "Point",
    "Prediction", "PredictionFile", "ReshapedRows", "Row", "RowInspection", "RowPart", "Series",
    "Shown", "SideBySide", "Sound", "SourceRows", "Span", "Table", "TargetColumn", "TextColumn",
    "column_markers", "columns", "open_file",
]
