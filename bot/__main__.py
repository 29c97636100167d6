"""`python -m bot` and the `rollforward` command."""

from bot.cli.main import main

if __name__ == "__main__":
    main()
