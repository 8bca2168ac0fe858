"""The transports, on real sockets. A package, so that its test modules may share a server."""
