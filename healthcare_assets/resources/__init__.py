"""What a step is handed: the source, the lakehouse (tables), the model registry, the pseudonym key."""
