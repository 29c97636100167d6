"""The failure that follows from an incident in PagerDuty: reads its events and the definitions for `bot.dora.pagerduty`."""

from collections.abc import Sequence

from bot.dora.failures import NewFailure
from bot.dora.pagerduty import failure_of, map_incident
from bot.facts.pagerduty import load_directory, load_incident
from bot.store import Reader


def infer_pagerduty(reader: Reader, incident_id: str) -> Sequence[NewFailure]:
    """The failure that an incident is; none while no event shows the incident itself."""
    incident = load_incident(reader, incident_id)
    failure = failure_of(incident, map_incident(incident, load_directory(reader)))
    return () if failure is None else (failure,)
