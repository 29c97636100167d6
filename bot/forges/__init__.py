"""One folder per forge: sans-I/O webhook verification, payloads to values."""


class ForgeError(Exception):
    """What came from a forge cannot be used."""

    slug = "forge"

    def __init__(self, slug: str, detail: str = "") -> None:
        super().__init__(detail or slug)
        self.slug = slug
        self.detail = detail


class SignatureError(ForgeError):
    """The body was not signed with one of our secrets."""


class HeaderError(ForgeError):
    """An authentic request lacks a header that names its event or delivery."""


class PayloadError(ForgeError):
    """An authentic body cannot be parsed: it is dead-lettered with this reason."""
