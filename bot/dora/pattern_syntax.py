r"""The syntax of patterns: variables, groups, and what other engines know and RE2 does not.

Rule: a position is that of a character of the pattern as it was written, counted from 1.
"""

from collections.abc import Iterator, Mapping

import re2

VARIABLE = "rollforward_variable"
"""A name that no pattern uses by accident: RE2 keeps the first of two equal ones and says nothing."""
MAX_CLASSES = 20
r"""Unicode classes such as \p{Greek}: the time to compile one does not show in its size."""


class BadPatternError(ValueError):
    """A pattern cannot be used; the message says where, why, and what to write instead."""

    slug = "bad_pattern"


_OPAQUE = r"\\Q(?s:.*?)(?:\\E|\z)|\\(?s:.)|\[\^?\]?(?:\[:\^?[a-z]+:\]|\\(?s:.)|[^\]\\])*\]"
"""Quotes, escapes, classes: what is a sign elsewhere is none in them."""
TOKENS = re2.compile(rf"{_OPAQUE}|\$[A-Za-z_]+|\$\{{\w+\}}|\((?:\?P?<\w+>)?|\)|[*+?]\??\+|\{{[0-9]*,?[0-9]*\}}\+?")
_REPEATS = re2.compile(rf"{_OPAQUE}|[*+]|\{{[0-9]+,\}}")
_WITHIN_LINE = re2.compile(
    r"(?:[^\x00-\x1f\\\[(]|\((?:\?[imU-]*(?::|\)))?|\((?:\?P?<\w+>)|\\[dwSbBAz]|\\[^\x00-\x1f0-9A-Za-z]"
    r"|\[(?:[^\x00-\x1f\\\[\]^]|\\[dwS]|\\[^\x00-\x1f0-9A-Za-z])+\])*"
)
"""Patterns that match no line's end, by the pieces they are made of: no flag s, no negated class, no escape that may stand for one."""


def is_endless(source: str) -> bool:
    """Whether there is no longest match."""
    found = (token.group(0) for token in _REPEATS.finditer(source))
    return any(text[0] in "*+" or text.endswith(",}") for text in found)


def stays_in_line(source: str) -> bool:
    """Whether no match goes beyond the end of a line, as far as that can be seen."""
    return _WITHIN_LINE.fullmatch(source) is not None


def rewritten(pattern: str, groups: Mapping[str, str]) -> tuple[str, str, list[str]]:
    """What RE2 is given, first without and then with the group of the variable, and the variables."""
    parts: list[str] = []
    variables: list[str] = []
    done, first = 0, -1
    for token in TOKENS.finditer(pattern):
        text, start, end = token.group(0), token.start(), token.end()
        if text[0] == "(" and not (text == "(" and pattern[end : end + 1] == "?"):
            parts += [pattern[done:start], "(?:"]
            done = end
        elif text[0] == "$":
            name = _variable(text, start, groups)
            first = len(parts) + 1 if first < 0 else first
            parts += [pattern[done:start], f"(?:{groups[name]})"]
            variables.append(name)
            done = start + 1 + len(name)
        elif text.startswith("\\Q") and not text.endswith("\\E"):
            parts += [pattern[done:end], "\\E"]  # Left open it would swallow what it is joined with.
            done = end
    parts.append(pattern[done:])
    source = "".join(parts)
    if first >= 0:
        parts[first] = f"(?P<{VARIABLE}>{groups[variables[0]]})"
    return source, "".join(parts), variables


def _variable(text: str, at: int, groups: Mapping[str, str]) -> str:
    """The variable that a dollar sign and a word are, an underscore may follow it; BadPatternError."""
    word = text[1:].strip("{}")
    if text[1] == "{":
        raise _bad(at, f"a variable is written without braces: ${word}" if word in groups else r"a dollar sign is \$")
    name = word if word in groups else next((name for name in groups if word == f"{name}_"), None)
    if name is None:
        known = ", ".join(f"${name}" for name in groups)
        raise _bad(at, rf"{text} is no variable, there are {known}; a dollar sign is \$, an end of text is (?:$)")
    return name


_ADVICE = (
    (r"\(\?=", "lookahead is not supported; match the text that follows as part of the pattern"),
    (r"\(\?!", "lookahead is not supported; list what may follow, as in (?:$|[^a-z])"),
    (r"\(\?<=", "lookbehind is not supported; match the text before as part of the pattern, as in (?:^|[^a-z])"),
    (r"\(\?<!", "lookbehind is not supported; list what may stand before, as in (?:^|[^a-z])"),
    (r"\(\?>", "atomic groups are not supported nor needed: matching takes linear time; write (?:"),
    (r"\(\?#", "comments are not supported; leave it out, or write it as a YAML comment behind #"),
    (r"\(\?\|", "branch resets are not supported nor needed: groups are not numbered here; write (?:"),
    (r"\(\?'", "groups in quotes are not supported; write (?: as names of groups mean nothing here"),
    (r"\(\?P[=>]", "backreferences and calls of groups are not supported; write the text again"),
    (r"\(\?\(", "conditionals are not supported; write both cases as alternatives, as in (?:a|b)"),
    (r"\(\?(?:R|[-+]?[0-9]|&)", "recursion and calls of groups are not supported; write the pattern out as deep as it may go"),
    (r"\(\?~", "absent operators are not supported; list what may stand there"),
    (r"\(\*[A-Za-z]", r"control verbs are not supported nor needed; leave it out, a bracket and a star are \(\*"),
    (r"\(\?[imsU-]*x", "the flag x is not supported; write the pattern without spaces and comments"),
    (r"\(\?[imsU-]*[aun]", "the flags a, u, n are not supported nor needed; leave them out, there are i, m, s, U"),
    (r"\(\?[imsU-]*[^imsU:)<P-][A-Za-z^-]*[:)]", "there is no such flag, there are i, m, s, U; leave it out"),
    (r"(?:[*+?]\??|\{[0-9]+,?[0-9]*\})\+", "possessive repetition is not supported nor needed; leave out the last +"),
    (r"\{,[0-9]+\}", "a count needs a lower end, otherwise it is plain text; write {0,n}"),
    (r"\\(?:[1-9]|g|k)", "backreferences such as {piece} are not supported; write the text again"),
    (r"\\K", "{piece} is not supported nor needed: evidence is the whole line; leave it out"),
    (r"\\R", r"{piece} is not supported; write (?:\r\n|\n|\r)"),
    (r"\\X", r"{piece} is not supported; write . for one character, .{{1,8}} for one with its marks"),
    (r"\\h", r"{piece} is not supported; write [ \t]"),
    (r"\\H", r"{piece} is not supported; write [^ \t]"),
    (r"\\V", r"{piece} is not supported; write [^\n\v\f\r]"),
    (r"\\N", r"{piece} is not supported; write . for what is no line's end, and \x{{2026}} for a character by its number"),
    (r"\\Z", r"{piece} is not supported; write \n?\z for the end of the text, (?m:$) for the end of a line"),
    (r"\\G", "{piece} is not supported: every match is found wherever it stands; leave it out"),
    (r"\\[yYmM]", r"{piece} is not supported; a word's edge is \b"),
    (r"\\[uU]", r"{piece} is not supported; write \x{{2026}}, or the character itself"),
    (
        r"\\x(?:\{[0-9A-Fa-f]*(?:[^0-9A-Fa-f}]|\z)|[0-9A-Fa-f]?(?:[^0-9A-Fa-f{]|\z))",
        r"{piece} stands before two digits or before braces, as in \x1b or \x{{2026}}",
    ),
    (r"\\e", r"{piece} is not supported; write \x1b"),
    (r"\\[co]", r"{piece} is not supported; write \x and two digits, as in \x1b"),
)  # fmt: skip
"""What Perl, PCRE and Python know and RE2 does not (or reads as plain text), and what to write instead."""
_KNOWN_ELSEWHERE = tuple((re2.compile(begins), advice) for begins, advice in _ADVICE)
_ANY_OF_THEM = re2.compile("|".join(f"(?:{begins})" for begins, _ in _ADVICE))
_IN_CLASS = re2.compile(r"\\(?s:.)|&&|\[:\^?[a-z]+:\]")


def refuse_unknown(pattern: str, groups: Mapping[str, str]) -> None:
    """Refuse what RE2 does not know or reads otherwise than other engines, at its place."""
    classes = 0
    for token in TOKENS.finditer(pattern):
        text, start = token.group(0), token.start()
        if text[0] == "$":
            _variable(text, start, groups)
        elif text[0] == "[":
            for inner in _IN_CLASS.finditer(text):
                piece = inner.group(0)
                classes += piece in (r"\p", r"\P")
                if piece == "&&":
                    raise _bad(start + inner.start(), "sets cannot be combined by &&; write the characters out")
                if piece == r"\b":
                    raise _bad(start + inner.start(), r"\b is no backspace in a class; write \x08")
                _refuse_piece(pattern, start + inner.start(), shown=piece)
        elif not text.startswith(("\\Q", ")")):
            classes += text in (r"\p", r"\P")
            _refuse_piece(pattern, start, shown=text)
        if classes > MAX_CLASSES:
            raise _bad(start, rf"more than {MAX_CLASSES} classes such as \pL; name the characters, as in [a-zà-ÿ]")


def _refuse_piece(pattern: str, at: int, *, shown: str) -> None:
    rest = pattern[at : at + 40]
    if _ANY_OF_THEM.match(rest) is None:
        return
    for begins, advice in _KNOWN_ELSEWHERE:
        if begins.match(rest) is not None:
            raise _bad(at, advice.format(piece=shown) if shown[0] == "\\" else advice)


def _bad(at: int, told: str) -> BadPatternError:
    return BadPatternError(f"position {at + 1}: {told}")


def masked(pattern: str, groups: Mapping[str, str]) -> Iterator[str]:
    """The pattern with letters where its variables stand: every position stays."""
    done = 0
    for token in TOKENS.finditer(pattern):
        text = token.group(0)
        if text[0] == "$":
            yield pattern[done : token.start()]
            yield "v" * len(text)
            done = token.end()
    yield pattern[done:]


def unpaired(pattern: str) -> int | None:
    """Where the bracket stands that has no other."""
    waiting: list[int] = []
    for token in TOKENS.finditer(pattern):
        if token.group(0)[0] == "(":
            waiting.append(token.start())
        elif token.group(0) == ")":
            if not waiting:
                return int(token.start())
            waiting.pop()
    return waiting[-1] if waiting else None
