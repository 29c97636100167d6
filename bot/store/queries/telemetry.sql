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
