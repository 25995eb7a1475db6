"""Its place makes ``tests/`` importable: any test can say ``from servers.openai_server import OpenAIServer``."""

from hypothesis import settings

settings.register_profile("promptrl", deadline=None)  # a busy machine is slow, which is no failure
settings.load_profile("promptrl")
