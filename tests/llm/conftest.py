"""Fixtures of the tests of models."""

import pytest

from tests.servers.openai_server import KEY
from tests.servers.stub_target import FakeTime


@pytest.fixture
def fake_time() -> FakeTime:
    """A clock for waits before retries."""
    return FakeTime()


@pytest.fixture
def openai_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key, and none of the client's own variables."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KEY", KEY)
