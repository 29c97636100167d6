"""A sample organisation, played against a running Rollforward from outside.

The demo is a stranger to the rest of `bot`: it knows URLs and secrets, builds real git repositories, serves them, sends what the
forges and CI would send, and compares the public API's answers with `docs/demo.md`. Rules of this folder: nothing of `bot` is
imported but `bot.demo`; the same base date gives the same bytes; no payload holds a port.
"""
