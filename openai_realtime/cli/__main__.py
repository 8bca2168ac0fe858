"""Runs the command as `python -m openai_realtime.cli`."""

from openai_realtime.cli import main

main()
