"""The same sums whatever the machine's threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["one_blas_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Sums in one order, however many threads there are: a plan may turn on the last bit of a forecast."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
