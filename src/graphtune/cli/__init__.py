"""The command line: `graphtune --help` says what it can do."""


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    from graphtune.cli.app import app

    app()
