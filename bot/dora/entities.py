"""Entities of the software catalog as somebody wrote them: services, and what else there is around them.

An entity is known by its reference, `kind:namespace/name`, without regard to case. Only services in the namespace `default` are
services here; all others are kept and shown, and change no number.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.dora.definitions import ServiceDefinition

DEFAULT, SERVICE = "default", "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the writer of a document should know: `where` is `line:column` of a text, a JSON pointer of an object, or ""."""

    where: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntity:
    """An entity as written: `document` is a JSON object, `text` what was sent of it. Without a schema of v3 it is a service."""

    kind: str
    namespace: str
    name: str
    schema_version: str
    owner: str
    document: str
    text: str
    definition: ServiceDefinition | None = None
    """What it says of a service; `None` for everything that is none."""
    notices: tuple[Notice, ...] = ()

    @property
    def ref(self) -> str:
        """Its reference."""
        return entity_ref(kind=self.kind, namespace=self.namespace, name=self.name)


def entity_ref(*, kind: str = SERVICE, namespace: str = DEFAULT, name: str) -> str:
    """The reference of an entity, canonical."""
    return f"{kind.strip()}:{namespace.strip() or DEFAULT}/{name.strip()}".lower()


def parse_ref(text: str, *, kind: str = SERVICE) -> str:
    """A reference as people write it (`service:default/shop`, `service:shop`, `shop`), canonical."""
    before, colon, rest = text.strip().partition(":")
    if not colon:
        before, rest = kind, text
    namespace, slash, name = rest.partition("/")
    return entity_ref(kind=before, namespace=namespace, name=name) if slash else entity_ref(kind=before, name=rest)


def split_ref(ref: str) -> tuple[str, str, str]:
    """Kind, namespace and name of a canonical reference."""
    kind, _, rest = ref.partition(":")
    namespace, _, name = rest.partition("/")
    return kind, namespace, name


def service_ref(service: str) -> str:
    """The reference of a service."""
    return entity_ref(name=service)


def doubled(entities: Iterable[CatalogEntity]) -> str | None:
    """The name of one that is there twice."""
    seen: set[str] = set()
    for entity in entities:
        if entity.ref in seen:
            return entity.name
        seen.add(entity.ref)
    return None
