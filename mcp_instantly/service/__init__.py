"""HTTP for many: narrower views for single requests, callers with keys of their own, probes, figures and workers."""
