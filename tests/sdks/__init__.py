"""The official SDKs against the mock."""
