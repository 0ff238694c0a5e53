"""The workspace itself: members, keys, plan, jobs, audit log."""
