"""A PagerDuty to ask for the alerts of incidents, in the shapes of the vendor's API (`GET /incidents/{id}/alerts`)."""

from bot.standins.pagerduty.api import PagerDuty, datadog_alert, rate_limit

__all__ = ["PagerDuty", "datadog_alert", "rate_limit"]
