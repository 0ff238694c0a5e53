"""The handbook: pages that are generated for people, and the folder from which a site of all pages is built."""
