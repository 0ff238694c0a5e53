"""The operations that have no behaviour here yet: each answers 501 in the API's envelope."""

OPERATIONS = (
    ("POST", "/supersearch-enrichment/"),
    ("POST", "/supersearch-enrichment/ai"),
    ("GET", "/supersearch-enrichment/ai/{resource_id}/in-progress"),
    ("POST", "/supersearch-enrichment/count-leads-from-supersearch"),
    ("POST", "/supersearch-enrichment/enrich-leads-from-supersearch"),
    ("GET", "/supersearch-enrichment/history/{resource_id}"),
    ("POST", "/supersearch-enrichment/preview-leads-from-supersearch"),
    ("POST", "/supersearch-enrichment/run"),
    ("POST", "/supersearch-enrichment/signal-keywords-facet"),
    ("GET", "/supersearch-enrichment/{resource_id}"),
    ("PATCH", "/supersearch-enrichment/{resource_id}/settings"),
)
