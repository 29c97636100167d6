"""The tags of an event: its own, and what its service's definition adds."""

from bot.dora.definitions import ServiceDefinition, attached_tags


def test_languages_are_tags_and_the_events_own_keys_win() -> None:
    assert attached_tags((), (), ()) == ()
    assert attached_tags(("a:1",), ("a:2", "b:3"), ("go", "python")) == ("a:1", "b:3", "language:go", "language:python")
    assert attached_tags(("language:rust",), ("b:3",), ("go",)) == ("language:rust", "b:3")
    assert attached_tags(("a:1",), ("language:go",), ("go", "c++")) == ("a:1", "language:go", "language:c++")
    assert attached_tags(("plain",), ("plain", "other"), ()) == ("plain", "other")


def test_a_definition_by_itself() -> None:
    definition = ServiceDefinition(service="s", shown="S", schema_version="v2.2", tags=("a:1",), languages=("go",))
    assert definition.event_tags == ("a:1", "language:go")
