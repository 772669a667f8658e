"""The pages: each function takes a page request and returns a response."""
