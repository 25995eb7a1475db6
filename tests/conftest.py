"""Its place makes ``tests/`` importable: any test can say ``from servers.openai_server import OpenAIServer``."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from promptrl.search.threads import one_blas_thread

settings.register_profile("promptrl", deadline=None)  # a busy machine is slow, which is no failure
settings.load_profile("promptrl")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices on several threads make a busy machine many times slower."""
    with one_blas_thread():
        yield
