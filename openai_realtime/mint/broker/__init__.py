"""The offer broker: it begins calls with the server's key, counts them, and ends them."""
