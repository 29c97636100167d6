-- name: pagerduty_events_known
-- Events that were told before.
SELECT id, incident_id, type, occurred_at, received_at, receipt, dd_env, body FROM pagerduty_event WHERE id IN (:keys)

-- name: pagerduty_events_of
-- What the events of an incident say.
SELECT id, incident_id, type, occurred_at, received_at, receipt, dd_env, body FROM pagerduty_event
WHERE incident_id = :incident_id ORDER BY id

-- name: pagerduty_events_of_incidents
-- What the events of several incidents say.
SELECT id, incident_id, type, occurred_at, received_at, receipt, dd_env, body FROM pagerduty_event WHERE incident_id IN (:keys)

-- name: pagerduty_alerts_of
-- What was answered about an incident's alerts.
SELECT body FROM pagerduty_alerts WHERE incident_id = :incident_id AND body <> ''

-- name: pagerduty_alerts_due
-- The incidents whose alerts are to be asked for now, those that waited longest first.
SELECT incident_id, attempts FROM pagerduty_alerts WHERE run_at <= :now ORDER BY run_at, incident_id LIMIT :n

-- name: postpone_pagerduty_alerts
-- Ask later, unless it was answered meanwhile.
UPDATE pagerduty_alerts SET run_at = :run_at, attempts = :attempts, error = :error
WHERE incident_id = :incident_id AND run_at IS NOT NULL

-- name: pagerduty_alerts_waiting
-- How many incidents wait for an answer about their alerts, and why one of them does.
SELECT count(*), coalesce(max(error), '') FROM pagerduty_alerts WHERE run_at IS NOT NULL

-- name: pagerduty_incidents
-- Every incident of PagerDuty.
SELECT DISTINCT incident_id FROM pagerduty_event ORDER BY incident_id

-- name: pagerduty_incidents_named
-- The incidents that definitions with one of these names may concern.
SELECT DISTINCT incident_id FROM pagerduty_name WHERE name IN (:keys) ORDER BY incident_id

-- name: pagerduty_owners
-- What the definitions in force say of services, teams and pages in PagerDuty.
SELECT service, shown, team, pagerduty FROM definition ORDER BY service

-- name: fingerprint_pagerduty_events
-- Every event of PagerDuty.
SELECT id, incident_id, type, occurred_at, dd_env, body FROM pagerduty_event ORDER BY id

-- name: fingerprint_pagerduty_alerts
-- Everything that was answered about alerts in PagerDuty.
SELECT incident_id, body FROM pagerduty_alerts WHERE body <> '' ORDER BY incident_id
