"""`graphtune demo`: three real graphs the whole way, from data that installed packages bring along."""

from graphtune.demo.run import run_demo

__all__ = ["run_demo"]
