"""Says what the scores of a run prove: intervals, paired comparisons, verdicts."""
