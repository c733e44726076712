"""What members cost by what a premium may depend on, and the relativities that the law allows."""
