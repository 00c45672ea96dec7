"""Authentication of requests: middleware, roles of routes, CSRF tokens, login and invitation links."""
