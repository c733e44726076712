"""One module a step: read tables, call the domain, write tables, return a report."""
