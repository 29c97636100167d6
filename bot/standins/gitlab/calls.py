"""One call of the API: who asks, what for, and the answer's shape: pages, refusals in GitLab's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from bot.standins.forge import Json
from bot.standins.gitlab.spelling import read_time
from bot.standins.gitlab.state import DEVELOPER, GUEST, MAINTAINER, OWNER, Group, MergeRequest, Token

if TYPE_CHECKING:
    from bot.standins.gitlab.forge import GitLab
    from bot.standins.gitlab.project import Project

T = TypeVar("T")
USUAL_PAGE, LARGEST_PAGE = 20, 100
MOST_COUNTED = 10_000
READING = ("api", "read_api")
WRITER, KEEPER = DEVELOPER, MAINTAINER
"""Who may report a commit's status or write a note, and who may see hooks."""
REVOKED = "Token was revoked. You have to re-authorize from the user."


class Refused(Exception):
    """GitLab says no."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


def not_found(what: str = "") -> Refused:
    """404, naming what was looked for."""
    return Refused(404, {"message": f"404 {what} Not Found" if what else "404 Not Found"})


def forbidden() -> Refused:
    """403 for want of a role."""
    return Refused(403, {"message": "403 Forbidden"})


class Call:
    """A request to the API, its token looked up (None: nobody's)."""

    def __init__(self, request: web.Request, forge: GitLab, template: str) -> None:
        self.request = request
        self.forge = forge
        self.template = template
        self.token = self._token()
        self.form: Mapping[str, Json] = {}

    def _token(self) -> Token | None:
        header = self.request.headers.get("Authorization", "")
        bearer = header[7:] if header[:7].lower() == "bearer " else ""
        given = self.request.headers.get("PRIVATE-TOKEN") or bearer or self.request.query.get("private_token", "")
        if not given:
            return None
        token = self.forge.tokens.get(given)
        if token is None:
            raise Refused(401, {"message": "401 Unauthorized"})
        if token.revoked:
            raise Refused(401, {"error": "invalid_token", "error_description": REVOKED})
        return token

    def need(self, *scopes: str) -> None:
        """Refuse a token without any of the scopes."""
        if self.token is not None and not self.token.may(*scopes):
            told = "The request requires higher privileges than provided by the access token."
            raise Refused(
                403, {"error": "insufficient_scope", "error_description": told, "scope": " ".join(scopes)}
            )

    def user(self) -> Token:
        """The token; refuses those who come without one."""
        if self.token is None:
            raise Refused(401, {"message": "401 Unauthorized"})
        return self.token

    async def read_form(self) -> None:
        """Take the parameters of the query, and of a JSON or a form body."""
        told: dict[str, Json] = dict(self.request.query)
        if self.request.can_read_body:
            if self.request.content_type == "application/json":
                try:
                    body = json.loads(await self.request.text() or "{}")
                except ValueError:
                    raise Refused(400, {"error": "400 Bad Request: invalid JSON"}) from None
                told |= body if isinstance(body, dict) else {}
            else:
                told |= {name: str(value) for name, value in (await self.request.post()).items()}
        self.form = told

    def word(self, name: str, otherwise: str = "") -> str:
        """A parameter's text."""
        value = self.form.get(name)
        return otherwise if value is None else str(value)

    def flag(self, name: str, *, otherwise: bool = False) -> bool:
        """A parameter that says yes or no."""
        value = self.form.get(name)
        return otherwise if value is None else value in (True, "true", "True", "1", 1)

    def instant(self, name: str) -> float | None:
        """A parameter's instant in seconds since 1970."""
        text = self.word(name)
        try:
            return read_time(text) if text else None
        except ValueError:
            raise Refused(400, {"error": f"{name} is invalid"}) from None

    def needed(self, name: str) -> str:
        """A parameter that must be there."""
        text = self.word(name)
        if not text:
            raise Refused(400, {"error": f"{name} is missing"})
        return text

    def project(self, level: int = GUEST) -> Project:
        """The project of the path, by number or by full path: 404 where the token sees none, 403 where it may not."""
        name = self.request.match_info["id"]
        project = self.forge.projects.get(int(name)) if name.isdecimal() else self.forge.find_project(name)
        if project is None:
            raise not_found("Project")
        mine = 0 if self.token is None else OWNER if self.token.admin else self.token.level_in(project.id)
        if project.private and mine < GUEST:
            raise not_found("Project")
        if self.token is None and level > GUEST:
            raise Refused(401, {"message": "401 Unauthorized"})
        mine = max(mine, GUEST)
        if mine < level:
            raise forbidden()
        return project

    def group(self) -> Group:
        """The group of the path, by number or by full path."""
        name = self.request.match_info["id"]
        group = self.forge.groups.get(int(name)) if name.isdecimal() else self.forge.find_group(name)
        if group is None:
            raise not_found("Group")
        return group

    def merge_request(self) -> tuple[Project, MergeRequest]:
        """The merge request of the path, and its project."""
        project = self.project()
        iid = self.request.match_info["iid"]
        mr = project.merge_requests.get(int(iid)) if iid.isdecimal() else None
        if mr is None:
            raise not_found()
        return project, mr

    def sees(self, project: Project) -> bool:
        """Whether lists show the project."""
        if not project.private:
            return True
        return self.token is not None and (self.token.admin or self.token.level_in(project.id) >= GUEST)

    def page(self, largest: int = LARGEST_PAGE) -> tuple[int, int]:
        """(page, items of a page)."""
        try:
            page, size = int(self.word("page", "1")), int(self.word("per_page", str(USUAL_PAGE)))
        except ValueError:
            raise Refused(400, {"error": "page is invalid"}) from None
        if page < 1 or size < 1:
            raise Refused(400, {"error": "page does not have a valid value"})
        return page, min(size, largest)

    def answer(self, body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        """JSON, held against GitLab's descriptions on its way out."""
        self.forge.checked(self.request.method, self.template, status, body)
        return web.json_response(body, status=status, headers=headers)

    def paged(
        self, items: Sequence[T], shown: Callable[[T], Json], *, counted: bool = True, largest: int = LARGEST_PAGE
    ) -> web.Response:
        """A page of a list, with the headers that lead on; totals end at ten thousand."""
        page, size = self.page(largest)
        here = items[(page - 1) * size : page * size]
        counted = counted and len(items) <= MOST_COUNTED
        return self.one_page([shown(item) for item in here], more=page * size < len(items), total=len(items) if counted else None)

    def one_page(self, bodies: Sequence[Json], *, more: bool, total: int | None = None) -> web.Response:
        """A page that is cut already."""
        page, size = self.page()
        headers = {
            "X-Page": str(page),
            "X-Per-Page": str(size),
            "X-Next-Page": str(page + 1) if more else "",
            "X-Prev-Page": str(page - 1) if page > 1 else "",
        }
        links = [("prev", page - 1)] * (page > 1) + [("next", page + 1)] * more + [("first", 1)]
        if total is not None:
            pages = max(1, -(-total // size))
            headers |= {"X-Total": str(total), "X-Total-Pages": str(pages)}
            links.append(("last", pages))
        headers["Link"] = ", ".join(f'<{self.address(page=str(n), per_page=str(size))}>; rel="{rel}"' for rel, n in links)
        return self.answer(bodies, headers=headers)

    def address(self, **changed: str) -> str:
        """This call's own address as GitLab believes it to be, with other parameters."""
        query = {name: value for name, value in self.request.query.items() if name != "private_token"} | changed
        inside = self.request.rel_url.raw_path.removeprefix(self.forge.root)
        return f"{self.forge.external_url}{inside}?{urlencode(query)}"
