"""The bundle and the workflows that deploy it."""
