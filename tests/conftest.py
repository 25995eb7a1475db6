"""Its place makes ``tests/`` importable, so that tests can say ``from servers.openai_server import OpenAIServer``."""
