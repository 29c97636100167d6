"""Every method of `DORAMetricsApi`; each function is a story that the command line names."""

import warnings
from datetime import datetime

from datadog_api_client.exceptions import ForbiddenException, NotFoundException
from datadog_api_client.v2.api.dora_metrics_api import DORAMetricsApi
from datadog_api_client.v2.model.ai_impact_user_activity_attributes import AIImpactUserActivityAttributes
from datadog_api_client.v2.model.ai_impact_user_activity_data import AIImpactUserActivityData
from datadog_api_client.v2.model.ai_impact_user_activity_request import AIImpactUserActivityRequest
from datadog_api_client.v2.model.ai_impact_user_activity_type import AIImpactUserActivityType
from datadog_api_client.v2.model.dora_deployment_object import DORADeploymentObject
from datadog_api_client.v2.model.dora_deployment_patch_by_version_remediation_by_id import (
    DORADeploymentPatchByVersionRemediationByID,
)
from datadog_api_client.v2.model.dora_deployment_patch_by_version_remediation_by_version import (
    DORADeploymentPatchByVersionRemediationByVersion,
)
from datadog_api_client.v2.model.dora_deployment_patch_by_version_request import DORADeploymentPatchByVersionRequest
from datadog_api_client.v2.model.dora_deployment_patch_by_version_request_attributes import (
    DORADeploymentPatchByVersionRequestAttributes,
)
from datadog_api_client.v2.model.dora_deployment_patch_by_version_request_data import (
    DORADeploymentPatchByVersionRequestData,
)
from datadog_api_client.v2.model.dora_deployment_patch_remediation import DORADeploymentPatchRemediation
from datadog_api_client.v2.model.dora_deployment_patch_remediation_type import DORADeploymentPatchRemediationType
from datadog_api_client.v2.model.dora_deployment_patch_request import DORADeploymentPatchRequest
from datadog_api_client.v2.model.dora_deployment_patch_request_attributes import DORADeploymentPatchRequestAttributes
from datadog_api_client.v2.model.dora_deployment_patch_request_data import DORADeploymentPatchRequestData
from datadog_api_client.v2.model.dora_deployment_patch_request_data_type import DORADeploymentPatchRequestDataType
from datadog_api_client.v2.model.dora_deployment_request import DORADeploymentRequest
from datadog_api_client.v2.model.dora_deployment_request_attributes import DORADeploymentRequestAttributes
from datadog_api_client.v2.model.dora_deployment_request_data import DORADeploymentRequestData
from datadog_api_client.v2.model.dora_deployment_type import DORADeploymentType
from datadog_api_client.v2.model.dora_failure_request import DORAFailureRequest
from datadog_api_client.v2.model.dora_failure_request_attributes import DORAFailureRequestAttributes
from datadog_api_client.v2.model.dora_failure_request_data import DORAFailureRequestData
from datadog_api_client.v2.model.dora_failure_type import DORAFailureType
from datadog_api_client.v2.model.dora_git_info import DORAGitInfo
from datadog_api_client.v2.model.dora_list_deployments_request import DORAListDeploymentsRequest
from datadog_api_client.v2.model.dora_list_deployments_request_attributes import DORAListDeploymentsRequestAttributes
from datadog_api_client.v2.model.dora_list_deployments_request_data import DORAListDeploymentsRequestData
from datadog_api_client.v2.model.dora_list_deployments_request_data_type import DORAListDeploymentsRequestDataType
from datadog_api_client.v2.model.dora_list_failures_request import DORAListFailuresRequest
from datadog_api_client.v2.model.dora_list_failures_request_attributes import DORAListFailuresRequestAttributes
from datadog_api_client.v2.model.dora_list_failures_request_data import DORAListFailuresRequestData
from datadog_api_client.v2.model.dora_list_failures_request_data_type import DORAListFailuresRequestDataType
from door import at, client, ns, refused, tell, until

SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
URL = "https://github.com/organization/example-repository"
ROLLBACK, ROLLFORWARD = DORADeploymentPatchRemediationType.ROLLBACK, DORADeploymentPatchRemediationType.ROLLFORWARD
api = DORAMetricsApi(client())


def deploy(service: str, hour: int, **more: object) -> str:
    """Report a deployment at an hour of the first of November; its id."""
    attributes = DORADeploymentRequestAttributes(
        service=service, started_at=ns(f"2026-11-01T{hour:02}:00:00"), finished_at=ns(f"2026-11-01T{hour:02}:10:00"), **more
    )
    answer = api.create_dora_deployment(DORADeploymentRequest(data=DORADeploymentRequestData(attributes=attributes)))
    assert isinstance(answer.data.id, str) and answer.data.id
    assert answer.data.type == DORADeploymentType("dora_deployment")
    return answer.data.id


def get(deployment: str) -> DORADeploymentObject:
    found = api.get_dora_deployment(deployment).data
    assert found.id == deployment and found.type == DORADeploymentType("dora_deployment")
    return found


def deployments(query: str | None = None, **more: object) -> list[str]:
    """The ids that a query finds, in its order."""
    chosen = {"query": query} | more if query is not None else more
    body = DORAListDeploymentsRequest(
        data=DORAListDeploymentsRequestData(
            type=DORAListDeploymentsRequestDataType.DORA_DEPLOYMENTS_LIST_REQUEST,
            attributes=DORAListDeploymentsRequestAttributes(**chosen),
        )
    )
    found = api.list_dora_deployments(body).data
    assert all(isinstance(one.attributes.started_at, datetime) for one in found)
    return [one.id for one in found]


def create_and_get() -> None:
    tags = ["department:engineering", "app_type:backend"]
    git = DORAGitInfo(commit_sha=SHA, repository_url=URL + ".git")
    made = deploy("Shopist", 10, env="prod", version="v1.12.07", team="backend", custom_tags=tags, git=git)
    assert deploy("shopist", 10, env="prod", version="v1.12.07", team="backend", custom_tags=tags, git=git) == made
    told = get(made).attributes
    assert (told.service.lower(), told.env, told.version, told.team) == ("shopist", "prod", "v1.12.07", "backend"), told
    assert (told.started_at, told.finished_at) == (at("2026-11-01T10:00:00"), at("2026-11-01T10:10:00"))
    assert set(tags) <= set(told.custom_tags)
    assert (told.git.commit_sha, told.git.repository_id) == (SHA, "github.com/organization/example-repository")
    bare = get(deploy("bare", 10)).attributes
    assert bare.service == "bare" and not hasattr(bare, "git") and bare.to_dict().get("env") is None
    own = "release-2026.11.01:shopist"
    assert deploy("named", 11, id=own, version="1") == own == deploy("named", 12, id=own, version="2")
    replaced = get(own).attributes
    assert (replaced.version, replaced.started_at) == ("2", at("2026-11-01T12:00:00"))
    assert refused(lambda: api.get_dora_deployment("nobody-knows-this-id")).status == 404


def list_them() -> None:
    tags = ["tier:gold", "zone:eu-west-1"]
    first = deploy("list-a", 8, env="production", team="red", version="1.0.0", custom_tags=tags)
    second = deploy("list-a", 9, env="staging", team="red", version="1.1.0", git=DORAGitInfo(commit_sha=SHA, repository_url=URL))
    third = deploy("list-b", 10, env="production", team="blue", version="2.0.0")
    window = {"_from": at("2026-11-01T00:00:00"), "to": at("2026-11-02T00:00:00")}
    answers = {
        "service:(list-a OR list-b)": [third, second, first], "service:list-*": [third, second, first],
        "service:list-a": [second, first], "service:(list-a OR list-b) env:production": [third, first],
        "service:list-* -team:red": [third], "service:list-* AND NOT team:red": [third],
        "(service:list-a AND env:staging) OR (service:list-b AND version:2.*)": [third, second],
        "service:list-* tier:gold": [first], "service:list-* @zone:eu-west-1 OR service:list-b": [third, first],
        "service:list-* source:api version:1.*": [second, first], "service:list-* env:none": [],
        "service:list-a repository:github.com/organization/example-repository": [second],
        "service:nobody": [],
    }  # fmt: skip
    for query, expected in answers.items():
        assert deployments(query, **window) == expected, query
    assert deployments("service:list-*", sort="started_at", **window) == [first, second, third]
    assert deployments("service:list-*", sort="-started_at", limit=2, **window) == [third, second]
    naive = [at(text).replace(tzinfo=None) for text in ("2026-11-01T09:30:00", "2026-11-02T00:00:00")]
    shrunk = {"_from": window["_from"], "to": at("2026-11-01T09:10:00")}
    assert deployments("service:list-*", **shrunk) in ([second, first], [first])
    assert deployments("service:list-*", _from=naive[0], to=naive[1]) == [third]
    assert {first, second, third} <= set(deployments(limit=1000, **window))
    try:
        deployments("*", limit=1001)
    except Exception as error:
        assert "1000" in str(error)
    else:
        raise AssertionError("the client itself refuses")
    error = refused(lambda: deployments("service:(a OR", **window))
    assert error.status == 400 and error.body["errors"], error.body


def patch(deployment: str, **attributes: object) -> None:
    attributes_ = DORADeploymentPatchRequestAttributes(**attributes)
    data = DORADeploymentPatchRequestData(
        id=deployment, type=DORADeploymentPatchRequestDataType.DORA_DEPLOYMENT_PATCH_REQUEST, attributes=attributes_
    )
    answer = api.patch_dora_deployment(deployment_id=deployment, body=DORADeploymentPatchRequest(data=data))
    assert answer is None


def patch_by_id() -> None:
    failed, mender = deploy("patched", 8, version="1"), deploy("patched", 9, version="2")
    until(lambda: get(failed).attributes.to_dict().get("change_failure") is False)
    patch(failed, change_failure=True, remediation=DORADeploymentPatchRemediation(id=mender, type=ROLLFORWARD))
    told = until(lambda: _failed(failed))
    assert told["remediation"] == {"id": mender, "type": "rollforward"}, told
    assert told["recovery_time_sec"] == 3600
    assert until(lambda: get(mender).attributes.to_dict().get("deployment_type") == "rollforward")
    assert deployments("service:patched change_failure:true") == [failed]
    assert deployments("service:patched deployment_type:rollforward") == [mender]
    patch(failed, change_failure=False)
    until(lambda: get(failed).attributes.to_dict().get("change_failure") is False)
    until(lambda: get(mender).attributes.to_dict().get("deployment_type") == "standard")
    patch(failed, change_failure=True, remediation=DORADeploymentPatchRemediation(version="2", type=ROLLBACK))
    assert until(lambda: _failed(failed))["remediation"] == {"id": mender, "type": "rollback"}
    error = refused(lambda: patch("nobody-knows-this-id", change_failure=True))
    assert error.status in (400, 404), error


def _failed(deployment: str) -> dict[str, object] | None:
    told: dict[str, object] = get(deployment).attributes.to_dict()
    return told if told.get("change_failure") is True and told.get("remediation") else None


def patch_by_version() -> None:
    older = deploy("versioned", 6, env="prod", version="1")
    deploy("versioned", 7, env="prod", version="2")
    newer = deploy("versioned", 8, env="prod", version="1", custom_tags=["again:yes"])
    mender = deploy("versioned", 9, env="prod", version="3")

    def by_version(remediation: object) -> None:
        attributes = DORADeploymentPatchByVersionRequestAttributes(
            service="versioned", env="prod", version="1", change_failure=True, remediation=remediation
        )
        data = DORADeploymentPatchByVersionRequestData(
            type=DORADeploymentPatchRequestDataType.DORA_DEPLOYMENT_PATCH_REQUEST, attributes=attributes
        )
        api.patch_dora_deployment_by_version(DORADeploymentPatchByVersionRequest(data=data))

    by_version(DORADeploymentPatchByVersionRemediationByVersion(version="3", type=ROLLFORWARD))
    assert until(lambda: _failed(newer))["remediation"] == {"id": mender, "type": "rollforward"}
    assert get(older).attributes.to_dict()["change_failure"] is False, "the one that finished last"
    by_version(DORADeploymentPatchByVersionRemediationByID(id=mender, type=ROLLBACK))
    until(lambda: (_failed(newer) or {}).get("remediation") == {"id": mender, "type": "rollback"})


def delete_it() -> None:
    kept, doomed = deploy("deleted", 8, version="1"), deploy("deleted", 9, version="2")
    assert api.delete_dora_deployment(doomed) is None
    try:
        api.get_dora_deployment(doomed)
    except NotFoundException as error:
        assert error.body["errors"]
    else:
        raise AssertionError("it is still there")
    assert deployments("service:deleted") == [kept]
    deploy("deleted", 9, version="2")
    assert deployments("service:deleted") == [kept], "sent again it stays deleted"
    again = deploy("deleted", 9, version="2", id="deleted-but-sent-with-a-new-id")
    assert deployments("service:deleted") == [again, kept]


def fail(method: str = "create_dora_failure", **attributes: object) -> str:
    """Report a failure; its id."""
    data = DORAFailureRequestData(attributes=DORAFailureRequestAttributes(**attributes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = getattr(api, method)(DORAFailureRequest(data=data))
    assert isinstance(answer.data.id, str) and answer.data.type == DORAFailureType("dora_failure")
    return answer.data.id


def failures_of(query: str, **more: object) -> list[str]:
    data = DORAListFailuresRequestData(
        type=DORAListFailuresRequestDataType.DORA_FAILURES_LIST_REQUEST,
        attributes=DORAListFailuresRequestAttributes(query=query, **more),
    )
    return [one.id for one in api.list_dora_failures(DORAListFailuresRequest(data=data)).data]


def failures() -> None:
    event = {
        "services": ["fail-shop"], "team": "shopist-devs", "env": "prod", "name": "Web server is down failing all requests",
        "severity": "High", "version": "v1.12.07", "custom_tags": ["department:engineering"],
        "git": DORAGitInfo(commit_sha=SHA, repository_url=URL), "started_at": ns("2026-11-01T10:00:00"),
    }  # fmt: skip
    made = fail(**event)
    told = api.get_dora_failure(made).data.attributes
    assert (told.services, told.team, told.env, told.severity) == (["fail-shop"], "shopist-devs", "prod", "High"), told
    assert (told.name, told.version) == ("Web server is down failing all requests", "v1.12.07")
    assert told.git.commit_sha == SHA and "github.com/organization/example-repository" in told.git.repository_url
    assert told.started_at == at("2026-11-01T10:00:00") and told.to_dict().get("finished_at") is None
    assert fail(**event, finished_at=ns("2026-11-01T10:30:00")) == made, "the second event resolves the first"
    resolved = api.get_dora_failure(made).data.attributes
    assert resolved.finished_at == at("2026-11-01T10:30:00")
    assert resolved.to_dict()["time_to_restore"] == 1800
    of_team = fail(team="fail-team", started_at=ns("2026-11-01T11:00:00"), severity="SEV-1")
    own = fail(services=["fail-shop", "fail-cart"], started_at=ns("2026-11-01T12:00:00"), id="own-id-of-a-failure-1", severity="SEV-2")
    assert own == "own-id-of-a-failure-1"
    window = {"_from": at("2026-11-01T00:00:00"), "to": at("2026-11-02T00:00:00")}
    assert failures_of("service:fail-shop", **window) == [own, made]
    assert failures_of("severity:(SEV-1 OR SEV-2)", limit=1000, **window)[:2] == [own, of_team]
    assert failures_of("service:fail-shop", limit=1, **window) == [own]
    assert failures_of("service:fail-shop", sort="started_at", **window) == [made, own]
    assert failures_of("service:nobody", **window) == []
    assert api.delete_dora_failure(own) is None
    assert refused(lambda: api.get_dora_failure(own)).status == 404
    assert failures_of("service:fail-shop", **window) == [made]
    error = refused(lambda: fail(started_at=ns("2026-11-01T12:00:00")))
    assert error.status == 400 and error.body["errors"], "services or team"


def incident_alias() -> None:
    event = {"services": ["alias-shop"], "started_at": ns("2026-11-01T10:00:00")}
    made = fail("create_dora_incident", **event)
    assert fail(**event) == made, "the older name of the same"
    assert api.get_dora_failure(made).data.attributes.services == ["alias-shop"]


def ai_activity() -> None:
    def day(email: str, day: str, **more: object) -> AIImpactUserActivityData:
        attributes = AIImpactUserActivityAttributes(user_email=email, day=day, is_active=True, tools=["claude_code", "Copilot"], **more)
        return AIImpactUserActivityData(type=AIImpactUserActivityType("ai_impact_user_activity"), attributes=attributes)

    activity = [day("Ann@Example.org", "2026-11-01", models=["opus"]), day("bob@example.org", "2026-11-01")]
    for _ in range(2):
        assert api.create_ai_impact_user_activity(AIImpactUserActivityRequest(data=activity)) is None
    wrong = AIImpactUserActivityRequest(data=[day("ann@example.org", "yesterday")])
    assert refused(lambda: api.create_ai_impact_user_activity(wrong)).status == 400


def refusals() -> None:
    error = refused(lambda: deploy("refused", 10, git=DORAGitInfo(commit_sha="xyz", repository_url=URL)))
    assert error.status == 400, error
    (first,) = error.body["errors"]
    assert first["status"] == "400" and "commit_sha" in str(first), first
    assert refused(lambda: deploy("refused", 10, custom_tags=["colonless"])).status == 400
    stranger = DORAMetricsApi(client(apiKeyAuth="a-key-that-nobody-knows", appKeyAuth="a-key-that-nobody-knows"))
    data = DORADeploymentRequestData(attributes=DORADeploymentRequestAttributes(service="refused", started_at=1, finished_at=2))
    error = refused(lambda: stranger.create_dora_deployment(DORADeploymentRequest(data=data)))
    assert error.status == 401 or isinstance(error, ForbiddenException), error
    assert error.body["errors"], error.body
    assert refused(lambda: stranger.get_dora_deployment("x")).status in (401, 403)


tell({story.__name__: story for story in (
    create_and_get, list_them, patch_by_id, patch_by_version, delete_it, failures, incident_alias, ai_activity, refusals,
)})  # fmt: skip
