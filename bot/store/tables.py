"""The tables as data: columns in the order of the schema, the key that decides a conflict, the columns that order versions.

Rules:
- This file and the newest schema say the same (a test compares them on both engines).
- `key` is what `on_conflict` looks at; it may be a unique key other than the primary one, where that one is a number we gave.
- `order` is for `newer`: the row with the greater tuple stays.
"""

from dataclasses import dataclass
from functools import cache

from bot.store import OnConflict, StoreError
from bot.store.named import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of the schema."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    order: tuple[str, ...] = ()


def _table(name: str, columns: str, *, key: str, order: str = "") -> Table:
    return Table(name=name, columns=tuple(columns.split()), key=tuple(key.split()), order=tuple(order.split()))


_TABLES = (
    _table(
        "inbox",
        "id source key event received_at headers body encoding state reason attempts run_at",
        key="source key",
    ),
    _table(
        "api_key",
        "id name digest scopes services created_at revoked_at",
        key="id",
    ),
    _table(
        "repository",
        "id name forge forge_id remote is_local default_branch synced_from synced_at",
        key="id",
    ),
    _table(
        "fetch",
        "repository_id ref wanted_at version attempts run_at error",
        key="repository_id ref",
    ),
    _table(
        "git_ref",
        "repository_id name sha tagged_at",
        key="repository_id name",
    ),
    _table(
        "git_commit",
        "repository_id n sha completeness parents authored_second committed_second author subject body paths",
        key="repository_id sha",
        order="completeness",
    ),
    _table(
        "git_path",
        "repository_id id path",
        key="repository_id path",
    ),
    _table(
        "pull_request",
        "repository_id number title body head_ref base_ref labels author state created_at updated_at merged_at "
        "merge_sha squash_sha head_sha readiness reviews orders",
        key="repository_id number",
    ),
    _table(
        "deployment",
        "id service env service_shown env_shown version repository repository_url commit_sha started_at "
        "finished_at team tags source received_at receipt inferred_from gone",
        key="id",
        order="received_at receipt",
    ),
    _table(
        "catalog",
        "kind digest received_at body problems",
        key="kind",
        order="received_at",
    ),
    _table(
        "definition",
        "service shown schema_version team tags languages source_patterns links location code_locations repository_id rules pagerduty",
        key="service",
    ),
    _table(
        "definition_claim",
        "service rank repository_id path shown schema_version team tags languages source_patterns links code_locations location "
        "rules pagerduty document",
        key="service rank repository_id path",
    ),
    _table(
        "catalog_entity",
        "ref kind namespace name owner schema_version document text notices received_at receipt deleted",
        key="ref",
        order="received_at receipt",
    ),
    _table(
        "catalog_kind",
        "kind display_name description received_at receipt deleted",
        key="kind",
        order="received_at receipt",
    ),
    _table(
        "definition_file",
        "repository_id path blob commit_sha read_from good_commit problems",
        key="repository_id path",
    ),
    _table(
        "mark",
        "stage key from_at version attempts run_at error",
        key="stage key",
    ),
    _table(
        "sequence",
        "name next",
        key="name",
    ),
    _table(
        "meta",
        "name value",
        key="name",
    ),
    _table(
        "landing",
        "repository_id number kind flag merged_at ready_at approved_at",
        key="repository_id number",
    ),
    _table(
        "introduced",
        "repository_id sha number role position merged_at",
        key="repository_id sha number role",
    ),
    _table(
        "rebased",
        "repository_id sha number landed merged_at",
        key="repository_id sha number",
    ),
    _table(
        "pull_request_flag",
        "repository_id number rule field value target target_sha",
        key="repository_id number",
    ),
    _table(
        "link_read",
        "stage reader repository_id about",
        key="stage reader repository_id about",
    ),
    _table(
        "change_set",
        "deployment_id predecessor not_computed flags dropped kept redeployed with_lead_time mean median least "
        "greatest merged_into version repository commit_sha",
        key="deployment_id",
    ),
    _table(
        "change",
        "deployment_id sha position repository_id original_of number redeployed first_delivery lead_time "
        "time_to_pr_ready review_time merge_time time_to_deploy deploy_time absent",
        key="deployment_id sha",
    ),
    _table(
        "classification",
        "deployment_id type flags reasons failed",
        key="deployment_id",
    ),
    _table(
        "remediation",
        "deployment_id target type rule field value original",
        key="deployment_id target",
    ),
    _table(
        "source_switch",
        "kind name selected_from is_on told_at receipt",
        key="kind name",
    ),
    _table(
        "tombstone",
        "kind id received_at receipt deleted_by",
        key="kind id",
    ),
    _table(
        "deployment_override",
        "deployment_id received_at receipt told_by reason change_failure remediation_type remediation_id",
        key="deployment_id received_at receipt",
    ),
    _table(
        "repository_name",
        "name from_at repository_id told",
        key="name repository_id told from_at",
    ),
    _table(
        "forge_repository",
        "repository_id installation_id state state_at told_at",
        key="repository_id",
    ),
    _table(
        "namespace_rename",
        "old new at",
        key="old at new",
    ),
    _table(
        "test_merge",
        "repository_id sha head_sha number at",
        key="repository_id sha",
    ),
    _table(
        "push_base",
        "repository_id after ref before",
        key="repository_id after ref before",
    ),
    _table(
        "repository_access",
        "repository_id way reason partial checked_at",
        key="repository_id",
    ),
    _table(
        "installation",
        "id account state state_at permissions events told_at",
        key="id",
    ),
    _table(
        "forge_deployment",
        "repository_id forge_id environment sha ref created_at states",
        key="repository_id forge_id",
    ),
    _table(
        "forge_release",
        "repository_id forge_id tag name state published_at told_at",
        key="repository_id forge_id",
    ),
    _table(
        "forge_issue",
        "repository_id number kind title labels severity state created_at closed_at told_at changes unlabeled",
        key="repository_id number",
    ),
    _table(
        "issue_selection",
        "source labels types told_at receipt",
        key="source",
        order="told_at receipt",
    ),
    _table(
        "webhook_deployment",
        "key service env ref repository repository_url commit_sha started_at finished_at received_at receipt",
        key="key",
        order="received_at receipt",
    ),
    _table(
        "inference_rule",
        "repository_id kind pattern service env service_shown env_shown since prereleases",
        key="repository_id kind pattern service env",
    ),
    _table(
        "errand",
        "key kind forge owner repository_id since cursor reading began_at done total urgent version attempts run_at error",
        key="key",
    ),
    _table(
        "outbox",
        "key kind forge repository_id subject wanted said digest remote attempts run_at error",
        key="key",
    ),
    _table(
        "hook",
        "forge id subject state reason read_from checked_at arrived_at gaps repaired",
        key="forge id",
    ),
    _table(
        "failure",
        "id source services services_shown teams envs envs_shown name severity version repository repository_url commit_sha "
        "started_at finished_at state time_to_restore tags received_at receipt inferred_from",
        key="source id",
        order="received_at receipt",
    ),
    _table(
        "incident",
        "id public_id created_at",
        key="id",
    ),
    _table(
        "incident_event",
        "incident_id received_at receipt body",
        key="incident_id received_at receipt",
    ),
    _table(
        "ai_activity",
        "user_email day tool is_active models received_at receipt",
        key="user_email day tool",
        order="received_at receipt",
    ),
    _table(
        "upload_pack",
        "repository_id pack_id pushed_sha received_at size state reason objects commits attempts run_at body",
        key="repository_id pack_id",
    ),
    _table(
        "upload_commit",
        "repository_id sha usable whole",
        key="repository_id sha",
    ),
    _table(
        "upload_report",
        "repository_id sha files received_at",
        key="repository_id",
        order="received_at sha files",
    ),
    _table(
        "telemetry_version",
        "service env version service_shown env_shown first_at commit_sha repository repository_url git_at",
        key="service env version",
    ),
    _table(
        "telemetry_minutes",
        "service env version day minutes told_on",
        key="service env version day",
    ),
    _table(
        "pagerduty_event",
        "id incident_id type occurred_at dd_env env_told received_at receipt body",
        key="id",
    ),
    _table(
        "pagerduty_name",
        "name incident_id",
        key="name incident_id",
    ),
    _table(
        "pagerduty_alerts",
        "incident_id run_at attempts error body",
        key="incident_id",
    ),
)
TABLES = {table.name: table for table in _TABLES}


@cache
def insert_text(name: str, on_conflict: OnConflict, dialect: Dialect) -> str:
    """The statement that inserts one whole row (positional parameters)."""
    table = TABLES.get(name)
    if table is None:
        raise StoreError(f"there is no table {name}")
    slots = ", ".join(["%s" if dialect == "postgres" else "?"] * len(table.columns))
    # "fetch" is a reserved word to PostgreSQL
    columns = ", ".join(table.columns)
    insert = f'INSERT INTO "{name}" ({columns}) VALUES ({slots})'  # noqa: S608 - names of this file
    if on_conflict == "fail":
        return insert
    target = f"{insert} ON CONFLICT ({', '.join(table.key)})"
    others = [column for column in table.columns if column not in table.key]
    if on_conflict == "keep" or not others:
        return f"{target} DO NOTHING"
    replace = f"{target} DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in others)}"
    if on_conflict == "replace":
        return replace
    if not table.order:
        raise StoreError(f"{name} has no order columns")
    new, old = (", ".join(f'"{row}".{column}' for column in table.order) for row in ("excluded", name))
    return f"{replace} WHERE ({new}) > ({old})"
