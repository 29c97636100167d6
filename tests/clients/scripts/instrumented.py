"""A program under the OpenTelemetry SDK: spans, a metric and a log record through the OTLP/HTTP exporters, as its environment says."""

import logging
import sys

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

logging.basicConfig(level=logging.WARNING)
wanted = sys.argv[1].split(",")
if "traces" in wanted:
    traces = TracerProvider()
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    for _ in range(3):
        with traces.get_tracer("t").start_as_current_span("request"), traces.get_tracer("t").start_as_current_span("query"):
            pass
    assert traces.force_flush()
if "metrics" in wanted:
    metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    metrics.get_meter("t").create_counter("requests").add(1)
    assert metrics.force_flush()
if "logs" in wanted:
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    logger = logging.getLogger("program")
    logger.addHandler(LoggingHandler(logger_provider=logs))
    logger.propagate = False
    logger.error("something")
    assert logs.force_flush()
