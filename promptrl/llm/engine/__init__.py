"""What stands between a question and a target: batches, attempts, cache, budget, limits."""
