"""How alike titles are: the cosine of their TF-IDF vectors (Salton and Buckley, IPM 24(5), 1988)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from flashlift.protocols import FloatArray, IntArray

__all__ = ["TitleVectors", "alike_titles", "top_of_rows", "unique_pairs"]

_LEAST_ALIKE = 0.2  # a smaller cosine tells nothing
_COMMON = 1_000  # titles of one category: a word in more of them does not make a pair worth a look
_BLOCK = 512  # items compared at a time


class TitleVectors:
    """Unit vectors of the known titles, and of any other in the same words.

    Args:
        known: titles, None where there is none.
    """

    def __init__(self, known: Sequence[str | None]) -> None:
        self._words = TfidfVectorizer(sublinear_tf=True)
        split = self._words.build_analyzer()
        texts = [text or "" for text in known]
        self._some = any(split(text) for text in texts)
        self.known = self._words.fit_transform(texts).tocsr() if self._some else sparse.csr_matrix((len(texts), 1))

    def of(self, titles: Sequence[str | None]) -> sparse.csr_matrix:
        """Vectors of other titles, (len(titles), n_words); words that no known title has do not count."""
        if not self._some:
            return sparse.csr_matrix((len(titles), 1))
        return self._words.transform([text or "" for text in titles]).tocsr()

    def cosine(self, left: IntArray, right: IntArray) -> FloatArray:
        """Cosine of pairs of known titles, by row number, in [0, 1]; 0 where there is no title."""
        return np.asarray(self.known[left].multiply(self.known[right]).sum(axis=1)).ravel()


def alike_titles(vectors: sparse.csr_matrix, category: IntArray, most: int) -> tuple[IntArray, IntArray]:
    """Pairs of items of one category with alike titles, by row number, the first smaller; of each item the `most` best.

    No matrix of all pairs is ever made.
    """
    order = np.argsort(category, kind="stable")
    found = []
    for rows in np.split(order, np.flatnonzero(np.diff(category[order])) + 1):
        mine = vectors[rows]
        rare = np.bincount(mine.indices, minlength=mine.shape[1]) <= _COMMON
        mine.data[~rare[mine.indices]] = 0.0
        mine.eliminate_zeros()
        theirs = mine.T.tocsc()
        blocks = ((begin, (mine[begin : begin + _BLOCK] @ theirs).tocsr()) for begin in range(0, len(rows), _BLOCK))
        found += [rows[top_of_rows(block, begin, _LEAST_ALIKE, most)] for begin, block in blocks]
    return unique_pairs(np.concatenate(found, axis=1))


def unique_pairs(pairs: IntArray) -> tuple[IntArray, IntArray]:
    """Each pair of (2, n) once, sorted, the smaller number first."""
    once = np.unique(np.sort(pairs, axis=0), axis=1)
    return once[0], once[1]


def top_of_rows(block: sparse.csr_matrix, begin: int, least: float, most: int) -> IntArray:
    """Row and column of the `most` largest entries of each row, off the diagonal and at least `least`, (2, n).

    Args:
        block: some rows of a square matrix.
        begin: number of the first of them.
        least: smallest entry that counts.
        most: entries per row.
    """
    row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr)) + begin
    column, value = block.indices.astype(np.int64), block.data
    keep = (value >= least) & (row != column)
    row, column, value = row[keep], column[keep], value[keep]
    order = np.lexsort((column, -value, row))
    row, column, value = row[order], column[order], value[order]
    nth = np.arange(len(row)) - np.searchsorted(row, row)
    return np.stack([row[nth < most], column[nth < most]])
