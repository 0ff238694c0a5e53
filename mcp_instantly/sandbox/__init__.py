"""An Instantly of its own: the API v2 as a stateful Starlette application, for demos and tests.

Nothing in here is imported from the rest of the package, and nothing is derived from the tool schemas: the sandbox
is written by hand from what is known of the API, so that it can disagree with them.
"""

from mcp_instantly.sandbox.app import create_app
from mcp_instantly.sandbox.clock import Clock
from mcp_instantly.sandbox.world import KEY, World

__all__ = ["KEY", "Clock", "World", "create_app", "demo_world"]


def demo_world(seed: int = 1, *, running: bool = False) -> World:
    """A world with the demo workspace in it; with `running`, its clock runs with real time."""
    from mcp_instantly.sandbox.demo import seed_data

    return World(seed, clock=Clock(running=running), seed_data=seed_data)
