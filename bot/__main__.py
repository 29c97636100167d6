"""`python -m bot` and the `rollforward` command."""


def main() -> None:
    """Run the command line."""
    # Here: the engine's child is spawned, which imports this module again, and it needs no command.
    from bot.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
