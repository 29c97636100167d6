"""How every number is made: values in, values out.

Rules of this folder: no I/O, no clock, no framework (time comes in as an argument); an unknown value is `None` with a reason from
`reasons.py`, never 0. Instants are integers, nanoseconds since 1970 UTC (`datetime` holds microseconds only, and the API
promises nanoseconds); durations are integers, nanoseconds. A sha is `bytes` (20, or 32 in a SHA-256 repository).
"""
