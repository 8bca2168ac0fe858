"""Runs the command as `python -m openai_realtime`."""

from openai_realtime.cli import main

main()
