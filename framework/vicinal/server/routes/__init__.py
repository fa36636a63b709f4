"""The HTTP routes, one module a group; each parses a request, calls a service, and creates the response."""
