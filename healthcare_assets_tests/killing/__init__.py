"""Jobs killed with SIGKILL at random moments, and what is left of the tables and of the registry afterwards."""
