"""Fixtures of the tests of models."""

import pytest
from servers.stub_target import FakeTime


@pytest.fixture
def fake_time() -> FakeTime:
    """A clock for waits before retries."""
    return FakeTime()
