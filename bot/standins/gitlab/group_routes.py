"""The API about groups."""

from aiohttp import web

from bot.standins.gitlab import entities
from bot.standins.gitlab.calls import Call


async def list_groups(call: Call) -> web.Response:
    """All groups."""
    call.user()
    return call.paged(list(call.forge.groups.values()), lambda one: entities.group(one, call.forge.external_url))


async def one_group(call: Call) -> web.Response:
    """A group by number or full path."""
    return call.answer(entities.group(call.group(), call.forge.external_url))


async def subgroups(call: Call) -> web.Response:
    """The groups right below."""
    above = call.group()
    found = [group for group in call.forge.groups.values() if group.parent is above]
    return call.paged(found, lambda one: entities.group(one, call.forge.external_url))


async def descendants(call: Call) -> web.Response:
    """All groups below."""
    above = call.group()
    found = [group for group in call.forge.groups.values() if group is not above and above in group.upwards()]
    return call.paged(found, lambda one: entities.group(one, call.forge.external_url))


async def projects(call: Call) -> web.Response:
    """The projects of a group, and (`include_subgroups`) of all groups below."""
    found = call.forge.projects_below(call.group(), subgroups=call.flag("include_subgroups"))
    archived = call.word("archived")
    seen = [one for one in found if call.sees(one) and archived in {"", str(one.archived).lower()}]
    return call.paged(seen, entities.project)


ROUTES = {
    "GET /groups": list_groups,
    "GET /groups/{id}": one_group,
    "GET /groups/{id}/subgroups": subgroups,
    "GET /groups/{id}/descendant_groups": descendants,
    "GET /groups/{id}/projects": projects,
}
