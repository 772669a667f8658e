"""What each endpoint does with a request that has passed route, key, limit and method. No HTTP, no waiting."""
