"""What can be called: one file a resource, its async and its sync class side by side.

A method is a line or two over a pure builder, which checks the parameters and returns a `Call`.
"""
