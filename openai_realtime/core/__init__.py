"""Everything that decides, and nothing that does: sans-I/O, shared by the sync and async client.

Imports neither httpx nor anyio, never sleeps, never reads a clock it was not given.
"""
