"""The rows of a source in order: the ids of all rows with a text, and their distinct texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from goalspace.corpus.folding import Folding
from goalspace.tables.columns import id_columns, text_column
from goalspace.tables.formats import open_table
from goalspace.tables.table import Table


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a source that have a text.

    Attributes
    ----------
    ids
        The id of every row (n_rows,): the value of the id column, otherwise the row number, starting at "0".
    texts
        The distinct texts, in order of first appearance.
    owners
        (n_rows,) int64, the index of each row's text in `texts`.
    n_empty
        The number of rows without a text.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    owners: np.ndarray
    n_empty: int

    @classmethod
    def read(cls, source: Any, *, text: str | None = None, id: str | None = None) -> Self:
        """Read the rows of a file, a folder, a data frame or a sequence of strings; see `Corpus.read`.

        Raises
        ------
        InputError
            As `Corpus.read` does.
        """
        table = open_table(source)
        texts = text_column(table, text)
        fold = Folding(table, texts, id_columns(table, id, text=texts), required=id is not None)
        for batch in table.batches():
            fold.add(batch)
        fold.check()
        ids = fold.choose_ids()[1]
        owners = np.array(fold.owners, dtype=np.int64)
        return cls(tuple(ids), tuple(fold.texts), owners, fold.n_read - len(owners))


def known_columns(source: Any, **wanted: str | None) -> Mapping[str, str]:
    """Return those of the wanted columns that a source has, by the name of their argument.

    Parameters
    ----------
    source
        As for `Corpus.read`.
    wanted
        Argument → the column, or None.
    """
    table: Table = open_table(source)
    return {name: column for name, column in wanted.items() if column and column in table.kinds}
