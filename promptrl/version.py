"""The version that is installed; it changes with the tags of the repository."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("promptrl")
except PackageNotFoundError:  # run from a tree that is not installed
    __version__ = "0.0.0+unknown"
