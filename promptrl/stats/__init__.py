"""Pure statistics: intervals, comparisons, sequential tests, power, effects. Knows nothing of prompts."""
