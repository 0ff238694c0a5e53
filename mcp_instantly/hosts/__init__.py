"""The programs that start the server, and their configuration files: which there are, and how each is changed."""
