-- name: fingerprint_deployments
-- Every deployment that is there, as recorded.
SELECT id, service, env, service_shown, env_shown, version, repository, repository_url, commit_sha, started_at, finished_at, team,
    tags, source, received_at
FROM deployment WHERE gone = 0 ORDER BY id

-- name: fingerprint_change_sets
-- What is derived of every deployment.
SELECT deployment_id, predecessor, not_computed, flags, dropped, kept, redeployed, with_lead_time, mean, median, least, greatest,
    merged_into, version, repository, commit_sha
FROM change_set ORDER BY deployment_id

-- name: fingerprint_changes
-- Every change with its stages.
SELECT c.deployment_id, c.sha, c.position, r.name, c.original_of, c.number, c.redeployed, c.first_delivery, c.lead_time,
    c.time_to_pr_ready, c.review_time, c.merge_time, c.time_to_deploy, c.deploy_time, c.absent
FROM change c JOIN repository r ON r.id = c.repository_id ORDER BY c.deployment_id, c.sha

-- name: fingerprint_classifications
-- What every deployment is.
SELECT deployment_id, type, flags, reasons, failed FROM classification ORDER BY deployment_id

-- name: fingerprint_remediations
-- The evidence of every remediation.
SELECT deployment_id, target, type, rule, field, value, original FROM remediation ORDER BY deployment_id, target

-- name: fingerprint_pull_requests
-- Every pull request as recorded.
SELECT r.name, p.number, p.title, p.body, p.head_ref, p.base_ref, p.labels, p.author, p.state, p.created_at, p.updated_at,
    p.merged_at, p.merge_sha, p.squash_sha, p.head_sha, p.readiness, p.reviews
FROM pull_request p JOIN repository r ON r.id = p.repository_id ORDER BY r.name, p.number

-- name: fingerprint_landings
-- How every pull request landed.
SELECT r.name, l.number, l.kind, l.flag, l.merged_at, l.ready_at, l.approved_at
FROM landing l JOIN repository r ON r.id = l.repository_id ORDER BY r.name, l.number

-- name: fingerprint_introduced
-- What every pull request introduced.
SELECT r.name, i.sha, i.number, i.role, i.position, i.merged_at
FROM introduced i JOIN repository r ON r.id = i.repository_id ORDER BY r.name, i.sha, i.number, i.role

-- name: fingerprint_rebased
-- What rebases made of the commits of every pull request.
SELECT r.name, b.sha, b.number, b.landed, b.merged_at
FROM rebased b JOIN repository r ON r.id = b.repository_id ORDER BY r.name, b.sha, b.number

-- name: fingerprint_flags
-- Every flagged pull request.
SELECT r.name, f.number, f.rule, f.field, f.value, f.target, f.target_sha
FROM pull_request_flag f JOIN repository r ON r.id = f.repository_id ORDER BY r.name, f.number

-- name: fingerprint_link_reads
-- What every flag and classification was made from.
SELECT l.stage, l.reader, r.name, l.about
FROM link_read l JOIN repository r ON r.id = l.repository_id ORDER BY l.stage, l.reader, r.name, l.about

-- name: fingerprint_source_switches
-- Which data sources are on.
SELECT kind, name, selected_from, is_on FROM source_switch ORDER BY kind, name

-- name: fingerprint_tombstones
-- What was deleted.
SELECT kind, id FROM tombstone ORDER BY kind, id

-- name: fingerprint_overrides
-- What people said of deployments.
SELECT deployment_id, received_at, told_by, reason, change_failure, remediation_type, remediation_id
FROM deployment_override ORDER BY deployment_id, received_at, receipt

-- name: fingerprint_telemetry_versions
-- How telemetry first showed every version.
SELECT service, env, version, service_shown, env_shown, first_at, commit_sha, repository, repository_url, git_at
FROM telemetry_version ORDER BY service, env, version

-- name: fingerprint_telemetry_minutes
-- When every version was seen.
SELECT service, env, version, day, minutes FROM telemetry_minutes ORDER BY service, env, version, day
