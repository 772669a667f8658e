"""A run: a few seconds of claiming and delivering for one destination."""
