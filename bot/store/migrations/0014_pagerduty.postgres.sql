-- PagerDuty: what its events say of incidents, and which of its services are whose --------------------------------------

ALTER TABLE definition ADD COLUMN pagerduty TEXT COLLATE "C" NOT NULL DEFAULT '';        -- URL of the service in PagerDuty, as written
ALTER TABLE definition_claim ADD COLUMN pagerduty TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE pagerduty_event (      -- an event of PagerDuty; an incident is what all its events make
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,   -- PagerDuty's: several subscriptions tell of one event
    incident_id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    occurred_at BIGINT NOT NULL,
    dd_env TEXT COLLATE "C" NOT NULL,           -- what the webhook's header of that name said, '' for none
    env_told BIGINT NOT NULL,      -- 1: it did say something; of two deliveries of an event that one stays
    received_at BIGINT NOT NULL,
    receipt BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL              -- JSON: what it says of the incident
);
CREATE INDEX pagerduty_event_incident ON pagerduty_event (incident_id);

CREATE TABLE pagerduty_name (       -- by which pages and names of services and teams definitions may concern an incident
    name TEXT COLLATE "C" NOT NULL,
    incident_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (name, incident_id)
);

CREATE TABLE pagerduty_alerts (     -- what PagerDuty's API is to be asked, or has answered, about an incident's alerts
    incident_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    run_at BIGINT,                 -- when it is asked next; NULL: it was answered
    attempts BIGINT NOT NULL,
    error TEXT COLLATE "C" NOT NULL,            -- why it was not answered the last time
    body TEXT COLLATE "C" NOT NULL              -- JSON: the monitors behind the alerts; '' before the answer
);
CREATE INDEX pagerduty_alerts_due ON pagerduty_alerts (run_at, incident_id) WHERE run_at IS NOT NULL;
