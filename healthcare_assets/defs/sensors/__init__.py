"""What watches the graph between its runs."""
