"""Stand-ins for the forges, over real git repositories: for tests and for the demo.

Strangers to the rest: nothing here imports another part of `bot`, and nobody but tests and the demo imports it.
"""
