"""Packs that no client would send, built byte by byte."""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable

COMMIT, TREE, BLOB, TAG, OFFSET_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_KINDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}


def name_of(kind: int, data: bytes) -> str:
    """The sha of an object."""
    return hashlib.sha1(_KINDS[kind] + b" %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def head(kind: int, size: int) -> bytes:
    """The type and size before an entry."""
    first, rest = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while rest:
        out.append(first | 0x80)
        first, rest = rest & 0x7F, rest >> 7
    return bytes([*out, first])


def entry(kind: int, data: bytes, *, declared: int | None = None, extra: bytes = b"", level: int = 1) -> bytes:
    """An object, or a delta after what names its base (`extra`)."""
    return head(kind, len(data) if declared is None else declared) + extra + zlib.compress(data, level)


def pack(entries: Iterable[bytes], *, count: int | None = None, version: int = 2) -> bytes:
    """Entries as a pack with a right checksum."""
    parts = list(entries)
    body = b"PACK" + struct.pack(">II", version, len(parts) if count is None else count) + b"".join(parts)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def commit(tree: str = EMPTY_TREE, *, parents: Iterable[str] = (), message: bytes = b"x\n", who: bytes = b"A <a@b>", at: int = 1_767_600_000) -> bytes:
    """A commit's contents."""
    lines = [b"tree " + tree.encode(), *(b"parent " + one.encode() for one in parents)]
    return b"\n".join([*lines, b"author %s %d +0000" % (who, at), b"committer %s %d +0000" % (who, at), b"", message])


def tree(*rows: tuple[bytes, bytes, str]) -> bytes:
    """A tree's contents: mode, name, sha."""
    return b"".join(mode + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in rows)


def with_tree(contents: bytes, *more: bytes) -> bytes:
    """A commit with a tree of these contents."""
    return pack([entry(COMMIT, commit(name_of(TREE, contents))), entry(TREE, contents), *more])


def varint(number: int) -> bytes:
    """A size in a delta."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def copies(base: int, result: int) -> bytes:
    """A delta that fills its result with the beginning of its base."""
    out, left = bytearray(varint(base) + varint(result)), result
    while left:
        size = min(left, base, 0xFFFF)
        out += bytes([0x80 | 0x10 | 0x20, size & 0xFF, size >> 8])
        left -= size
    return bytes(out)


def delta_chain(length: int) -> bytes:
    """Each object a delta of the one before it."""
    first = commit(message=b"n" * 200)
    entries = [entry(COMMIT, first)]
    for n in range(length):
        text = b"%06d" % n
        change = varint(len(first)) + varint(len(first)) + bytes([0x80 | 0x10 | 0x20, (len(first) - 6) & 0xFF, (len(first) - 6) >> 8, 6]) + text
        body = zlib.compress(change, 1)
        before = len(entries[-1])
        offset = bytearray([before & 0x7F])
        rest = before >> 7
        while rest:
            rest -= 1
            offset.insert(0, rest & 0x7F | 0x80)
            rest >>= 7
        entries.append(head(OFFSET_DELTA, len(change)) + bytes(offset) + body)
    return pack(entries)


def tree_bomb(levels: int, width: int) -> bytes:
    """A few trees that stand for width ** levels files."""
    contents = [tree(*((b"100644", b"f%02d" % n, "1" * 40) for n in range(width)))]
    for _ in range(levels - 1):
        name = name_of(TREE, contents[-1])
        contents.append(tree(*((b"40000", b"d%02d" % n, name) for n in range(width))))
    return pack([entry(COMMIT, commit(name_of(TREE, contents[-1]))), *(entry(TREE, one) for one in contents)])


def deep_tree(levels: int) -> bytes:
    """A path of very many folders."""
    contents = [tree((b"100644", b"f", "1" * 40))]
    for _ in range(levels):
        contents.append(tree((b"40000", b"d", name_of(TREE, contents[-1]))))
    return pack([entry(COMMIT, commit(name_of(TREE, contents[-1]))), *(entry(TREE, one) for one in contents)])


def inflating(times: int, size: int) -> bytes:
    """Commits that are small in the pack and large in memory."""
    return pack([entry(COMMIT, commit(message=b"A" * size), level=9)] * times)


def deflate_bomb(size: int, *, declared: int) -> bytes:
    """A tree of zeros; only who inflates it to its end could see that the stream's own checksum is wrong."""
    squeeze = zlib.compressobj(9)
    first = squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    again = squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return pack([head(TREE, declared) + first + again * (size // 2**20 - 1) + squeeze.flush()])


def _evil(name: bytes, mode: bytes = b"100644") -> bytes:
    return with_tree(tree((mode, name, "1" * 40)))


_GOOD = commit()
CORPUS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no pack": lambda: b"GIF89a" * 100,
    "cut off": lambda: with_tree(tree((b"100644", b"f", "1" * 40)))[:-30],
    "a wrong checksum": lambda: with_tree(tree((b"100644", b"f", "1" * 40)))[:-20] + bytes(20),
    "an unknown version": lambda: pack([entry(COMMIT, _GOOD)], version=4),
    "no objects": lambda: pack([]),
    "four billion objects": lambda: pack([entry(COMMIT, _GOOD)], count=0xFFFFFFFF),
    "fewer objects than it says": lambda: pack([entry(COMMIT, _GOOD)], count=3),
    "more objects than it says": lambda: pack([entry(COMMIT, _GOOD), entry(COMMIT, commit(message=b"y"))], count=1),
    "a file": lambda: pack([entry(BLOB, b"secret")]),
    "a tag": lambda: pack([entry(TAG, b"object " + b"1" * 40 + b"\ntype commit\ntag v1\ntagger A <a@b> 1767600000 +0000\n\nx\n")]),
    "an unknown type": lambda: pack([head(5, 3) + zlib.compress(b"abc")]),
    "broken deflate": lambda: pack([head(COMMIT, 300) + b"\x78\x9c" + b"\xff" * 300]),
    "a deflate bomb that says its size": lambda: deflate_bomb(2**31, declared=2**31),
    "a deflate bomb that lies": lambda: deflate_bomb(2**31, declared=100),
    "four gigabytes declared": lambda: pack([entry(TREE, b"x", declared=2**32)]),
    "a size beyond 64 bits": lambda: pack([b"\xaf" + b"\xff" * 12 + b"\x7f" + zlib.compress(b"x")]),
    "an object over the limit": lambda: pack([entry(COMMIT, commit(message=b"x" * (33 * 2**20)))]),
    "a delta without its base": lambda: pack([entry(REF_DELTA, copies(10, 10), extra=b"\1" * 20)]),
    "a delta before the pack": lambda: pack([entry(OFFSET_DELTA, copies(10, 10), extra=b"\xff\xff\x7f")]),
    "a delta of itself": lambda: pack([entry(COMMIT, _GOOD), entry(OFFSET_DELTA, copies(len(_GOOD), 10), extra=b"\0")]),
    "a delta of two gigabytes": lambda: pack(
        [entry(COMMIT, _GOOD), entry(REF_DELTA, varint(len(_GOOD)) + varint(2**31) + b"\x90\x01" * 10, extra=bytes.fromhex(name_of(COMMIT, _GOOD)))]
    ),
    "a delta that inflates": lambda: pack([
        entry(COMMIT, commit(message=b"n" * 60_000)),
        entry(REF_DELTA, copies(60_140, 300 * 2**20), extra=bytes.fromhex(name_of(COMMIT, commit(message=b"n" * 60_000)))),
    ]),
    "deltas in a ring": lambda: pack([entry(REF_DELTA, copies(10, 10), extra=bytes([n]) * 20) for n in (1, 2)]),
    "a folder .git": lambda: _evil(b".git", b"40000"),
    "a folder ..": lambda: _evil(b"..", b"40000"),
    "a folder .": lambda: _evil(b".", b"40000"),
    "a folder .GIT": lambda: _evil(b".GiT", b"40000"),
    "a folder git~1": lambda: _evil(b"git~1", b"40000"),
    "a folder .git in disguise": lambda: _evil(".g\u200cit".encode(), b"40000"),
    "a path as a name": lambda: _evil(b"../../etc/passwd"),
    "an empty name": lambda: _evil(b""),
    "a name twice": lambda: with_tree(tree((b"100644", b"f", "1" * 40), (b"100644", b"f", "2" * 40))),
    "a tree out of order": lambda: with_tree(tree((b"100644", b"z", "1" * 40), (b"100644", b"a", "2" * 40))),
    "a tree that is cut off": lambda: with_tree(b"100644 f\0" + b"\1" * 5),
    "a commit without a tree": lambda: pack([entry(COMMIT, b"author A <a@b> 1767600000 +0000\n\nx\n")]),
    "a commit of noise": lambda: pack([entry(COMMIT, bytes(range(256)) * 40)]),
    "links for .gitmodules": lambda: _evil(b".gitmodules", b"120000"),
    "a trillion files": lambda: tree_bomb(12, 10),
    "ten million files": lambda: tree_bomb(7, 10),
    "forty thousand folders deep": lambda: deep_tree(40_000),
}  # fmt: skip
"""Each is refused, whole."""
LARGE: dict[str, Callable[[], bytes]] = {
    "sixteen gigabytes in small commits": lambda: inflating(500, 31 * 2**20),
    "a chain of 300,000 deltas": lambda: delta_chain(300_000),
}
