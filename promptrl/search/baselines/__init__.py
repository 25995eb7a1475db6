"""Searches without an agent, strong of their kind: what the agent's claims are measured against.

All work through the same ``Trials`` as the agents: same calls, same rows, same finalists after them. Each is a file
with a function ``search(context, settings)``; ``promptrl.search.algorithms`` names them.
"""
