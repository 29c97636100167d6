"""Commands as people give them."""
