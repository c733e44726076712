"""The asset graph, a module an asset."""
