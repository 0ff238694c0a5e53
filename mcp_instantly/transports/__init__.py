"""stdio and HTTP, down to frames and sockets."""
