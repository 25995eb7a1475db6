"""What the README claims is measured here: ``python -m benchmarks.NAME``; each module says what it takes."""
