"""``python -m promptrl`` is the ``promptrl`` command."""

from promptrl.cli import main

if __name__ == "__main__":
    main()
