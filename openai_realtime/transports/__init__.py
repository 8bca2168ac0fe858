"""The only door to the network: one file an engine, and the two drivers that run an exchange."""
