"""`IncidentsApi`, as far as DORA metrics need it; each function is a story that the command line names."""

from datadog_api_client.v2.api.incidents_api import IncidentsApi
from datadog_api_client.v2.model.incident_create_attributes import IncidentCreateAttributes
from datadog_api_client.v2.model.incident_create_data import IncidentCreateData
from datadog_api_client.v2.model.incident_create_request import IncidentCreateRequest
from datadog_api_client.v2.model.incident_field_attributes_multiple_value import IncidentFieldAttributesMultipleValue
from datadog_api_client.v2.model.incident_field_attributes_single_value import IncidentFieldAttributesSingleValue
from datadog_api_client.v2.model.incident_field_attributes_single_value_type import (
    IncidentFieldAttributesSingleValueType,
)
from datadog_api_client.v2.model.incident_field_attributes_value_type import IncidentFieldAttributesValueType
from datadog_api_client.v2.model.incident_response_attributes import IncidentResponseAttributes
from datadog_api_client.v2.model.incident_search_sort_order import IncidentSearchSortOrder
from datadog_api_client.v2.model.incident_type import IncidentType
from datadog_api_client.v2.model.incident_update_attributes import IncidentUpdateAttributes
from datadog_api_client.v2.model.incident_update_data import IncidentUpdateData
from datadog_api_client.v2.model.incident_update_request import IncidentUpdateRequest
from door import at, client, refused, tell

api = IncidentsApi(client())


def dropdown(value: str) -> IncidentFieldAttributesSingleValue:
    return IncidentFieldAttributesSingleValue(type=IncidentFieldAttributesSingleValueType.DROPDOWN, value=value)


def several(kind: IncidentFieldAttributesValueType, *values: str) -> IncidentFieldAttributesMultipleValue:
    return IncidentFieldAttributesMultipleValue(type=kind, value=list(values))


def declare(title: str, *services: str, **more: object) -> str:
    """Declare an active incident; its id."""
    fields = {
        "state": dropdown("active"), "severity": dropdown("SEV-2"),
        "services": several(IncidentFieldAttributesValueType.AUTOCOMPLETE, *services),
        "teams": several(IncidentFieldAttributesValueType.AUTOCOMPLETE, "shopist-devs"),
        "envs": several(IncidentFieldAttributesValueType.MULTISELECT, "prod"),
    }  # fmt: skip
    attributes = IncidentCreateAttributes(title=title, customer_impacted=False, fields=fields, **more)
    data = IncidentCreateData(type=IncidentType.INCIDENTS, attributes=attributes)
    answer = api.create_incident(body=IncidentCreateRequest(data=data)).data
    assert isinstance(answer.id, str) and answer.type == IncidentType.INCIDENTS
    assert answer.attributes.title == title
    return answer.id


def change(incident: str, **attributes: object) -> IncidentResponseAttributes:
    data = IncidentUpdateData(id=incident, type=IncidentType.INCIDENTS, attributes=IncidentUpdateAttributes(**attributes))
    answer = api.update_incident(incident, body=IncidentUpdateRequest(data=data)).data
    assert answer.id == incident
    return answer.attributes


def life() -> None:
    made = declare("Checkout answers nobody", "life-shop", "life-cart")
    told = api.get_incident(made).data.attributes
    assert (told.title, told.state, str(told.severity), told.customer_impacted) == (
        "Checkout answers nobody", "active", "SEV-2", False,
    )  # fmt: skip
    assert told.fields["state"].value == "active" and told.fields["services"].value == ["life-shop", "life-cart"]
    assert told.created.tzinfo is not None and told.to_dict().get("resolved") is None
    assert change(made, fields={"state": dropdown("stable")}).state == "stable"
    again = change(made, title="Checkout answers few", fields={"severity": dropdown("SEV-1"), "state": dropdown("active")})
    assert (again.title, str(again.severity), again.state) == ("Checkout answers few", "SEV-1", "active")
    impact = change(made, customer_impact_start=at("2026-11-01T10:00:00"), customer_impacted=True, customer_impact_scope="some")
    assert impact.customer_impacted and impact.customer_impact_start == at("2026-11-01T10:00:00")
    resolved = change(made, fields={"state": dropdown("resolved")})
    assert resolved.state == "resolved" and resolved.resolved is not None
    print(made)


def list_and_search() -> None:
    one, two, three = (declare(f"Incident {n}", "search-shop") for n in range(3))
    change(three, fields={"state": dropdown("resolved")})
    listed = [incident.id for incident in api.list_incidents_with_pagination(page_size=2)]
    assert {one, two, three} <= set(listed) and len(listed) == len(set(listed))
    page = api.list_incidents(page_size=1, page_offset=1)
    assert len(page.data) == 1 and page.meta.pagination.offset == 1 and page.meta.pagination.next_offset == 2
    query = "state:(active OR stable) AND services:search-shop"
    found = api.search_incidents(query, sort=IncidentSearchSortOrder.CREATED_DESCENDING).data
    assert found.attributes.total == 2
    assert [incident.data.id for incident in found.attributes.incidents] == [two, one]
    many = [incident.data.id for incident in api.search_incidents_with_pagination("services:search-shop", page_size=2)]
    assert set(many) == {one, two, three} and len(many) == 3
    oldest = api.search_incidents("services:search-shop", sort=IncidentSearchSortOrder.CREATED_ASCENDING, page_size=1).data
    assert [incident.data.id for incident in oldest.attributes.incidents] == [one]


def listed() -> None:
    for incident in api.list_incidents_with_pagination(page_size=2):
        assert incident.attributes.created.tzinfo is not None and incident.attributes.state == "resolved"
        print(incident.id)
    for found in api.search_incidents("state:(active OR stable OR resolved)").data.attributes.incidents:
        print(found.data.id)


def delete_it() -> None:
    made = declare("A mistake", "mistake-shop")
    assert api.delete_incident(made) is None
    assert refused(lambda: api.get_incident(made)).status == 404
    assert made not in [incident.id for incident in api.list_incidents_with_pagination(page_size=100)]


tell({story.__name__: story for story in (life, list_and_search, listed, delete_it)})
