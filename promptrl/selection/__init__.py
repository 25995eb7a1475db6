"""Chooses among candidates on validation rows: finals and pruning."""
