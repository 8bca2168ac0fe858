"""Webhooks: signatures, replay, the route, and the phone that rings at it."""
