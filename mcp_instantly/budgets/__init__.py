"""The API's rate limits, kept before a request is sent: what they are (documented), and who may send when.

A module imports only from those before it: windows has one budget, as this process sees it; line, who waits and whose
turn it is; round_trip, how long requests are under way; shared_log, the calls of all replicas, in Redis; sharing, what
holds with Redis and without it; budget, all budgets of a workspace, which the client asks before each request; budgets,
those of all keys.
"""
