"""A program under `ddtrace`: a request with a database call in it, as its environment names service, env and version."""

import sys

from ddtrace.internal.telemetry import telemetry_writer
from ddtrace.trace import tracer

for _ in range(int(sys.argv[1])):
    with tracer.trace("web.request", resource="GET /"), tracer.trace("postgres.query", service="shopist-db"):
        pass
tracer.flush()
tracer.shutdown()
telemetry_writer.periodic(force_flush=True)
