"""The request, when it is repeated, how its response is read, and what goes on after it."""
