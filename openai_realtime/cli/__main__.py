"""`python -m openai_realtime.cli`: the command where its script is not on the PATH.

Owns: nothing. Must not know: anything but the entry point.
"""

from openai_realtime.cli import main

main()
