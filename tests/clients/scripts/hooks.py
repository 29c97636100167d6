"""What schemathesis cannot know by itself: tracers' bodies are MessagePack, here made of any value that it draws."""

import struct

import schemathesis


def packed(value: object) -> bytes:
    """A value as MessagePack, in its longest forms."""
    if isinstance(value, bytes):
        return value
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, dict):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(packed(key) + packed(one) for key, one in value.items())
    if isinstance(value, list):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(packed(one) for one in value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, int | float):
        return b"\xcb" + struct.pack(">d", float(value))
    text = str(value).encode("utf-8", "surrogatepass")
    return b"\xdb" + struct.pack(">I", len(text)) + text


@schemathesis.serializer("application/msgpack")
def msgpack(context: schemathesis.SerializationContext, value: object) -> bytes:
    """The body of a tracer: a text is a span's service, in the forms of v0.4 (maps) and v0.5 (a table of strings)."""
    if not isinstance(value, str):
        return packed(value)
    if "v0.5" in context.case.path:
        table = ["", value, "version", "1", "env", value]
        return packed([table, [[[1, 1, 1, 1, 2, 0, 1_795_000_000 * 10**9, 1, 0, {2: 3, 4: 5}, {}, 0]]]])
    return packed([[{"service": value, "name": value, "start": 1_795_000_000 * 10**9, "meta": {"version": "1", "env": value}}]])
