"""The hook that reads data which no single table holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from toolkit.plugin_types import SourceRows
    from toolkit.recipe.schema import Source


class ReadHooks:
    """How the files of `data.source` become rows, where the core does not know their format."""

    #: Suffixes (".conll") of data files that `reshape_rows` reads itself.
    file_formats: ClassVar[tuple[str, ...]] = ()

    def read_source(self, source: Source, labelled: bool) -> SourceRows | None:
        """Return the rows of files that belong together, such as a folder of annotated images.

        Called before the core looks at the paths of `data.source`, and not for rows of the Hub or
        of a package. Columns of files hold paths. None, the default, leaves the source to the core:
        tables, and folders of classes.

        Args:
            source: `data.source` of the recipe, or what `predict` is given.
            labelled: whether targets are needed; not to predict.

        Raises:
            DataError: the files are in a format of the scenario, and something is wrong with them.
        """
        return None
