-- name: telemetry_version
-- How telemetry first showed a version.
SELECT service, env, version, service_shown, env_shown, first_at, commit_sha, repository, repository_url, git_at
FROM telemetry_version WHERE service = :service AND env = :env AND version = :version

-- name: telemetry_day
-- In which minutes of a day a version was seen.
SELECT minutes, told_on FROM telemetry_minutes WHERE service = :service AND env = :env AND version = :version AND day = :day

-- name: telemetry_told
-- How many rows of minutes were made on a day.
SELECT count(*) FROM telemetry_minutes WHERE told_on = :day

-- name: telemetry_versions_of
-- The versions of a service, as telemetry first showed each.
SELECT service, env, version, service_shown, env_shown, first_at, commit_sha, repository, repository_url, git_at
FROM telemetry_version WHERE service = :service ORDER BY env, version

-- name: telemetry_days_of
-- When the versions of a service were seen.
SELECT env, version, day, minutes FROM telemetry_minutes WHERE service = :service ORDER BY env, version, day

-- name: telemetry_services
-- Every service that telemetry showed.
SELECT DISTINCT service FROM telemetry_version ORDER BY service

-- name: telemetry_undefined
-- Services that telemetry showed and nobody has defined.
SELECT DISTINCT v.service FROM telemetry_version v WHERE NOT EXISTS (SELECT 1 FROM definition d WHERE d.service = v.service)
ORDER BY v.service LIMIT :n

-- name: telemetry_undefined_count
-- How many there are.
SELECT count(DISTINCT v.service) FROM telemetry_version v WHERE NOT EXISTS (SELECT 1 FROM definition d WHERE d.service = v.service)

-- name: telemetry_spellings
-- The versions of these services, each service's earliest first.
SELECT service, service_shown FROM telemetry_version WHERE service IN (:keys) ORDER BY service, first_at, env, version

-- name: telemetry_last_days
-- The last day on which these services were seen.
SELECT m.service, m.day, m.minutes FROM telemetry_minutes m
WHERE m.service IN (:keys) AND m.day = (SELECT max(l.day) FROM telemetry_minutes l WHERE l.service = m.service)
ORDER BY m.service, m.env, m.version
