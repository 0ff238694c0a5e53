"""`python -m mcp_instantly`, the same as `mcp-instantly`."""

from mcp_instantly.cli import main

if __name__ == "__main__":
    main()
