"""One thread for small linear algebra: on a busy machine more of them wait for each other, many times over."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let numpy and scipy compute in the calling thread alone."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
