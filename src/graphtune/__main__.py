"""`python -m graphtune`, the same as `graphtune`."""

from graphtune.cli import main

if __name__ == "__main__":
    main()
