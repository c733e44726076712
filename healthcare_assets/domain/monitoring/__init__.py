"""What is watched: a day's data and predictions against the training population, and costs as they become known."""
