"""Tests: they mirror the package. Read before anything else, so that no library has counted the cores yet."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # several threads for small matrices wait for each other, many times over
