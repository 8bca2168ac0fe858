"""Sidebands: WebSockets of running calls on asyncio, trio and threads, against real servers and faults."""
