"""The server as a resource of OAuth 2: who calls is told by access tokens that somebody else's server has issued."""
