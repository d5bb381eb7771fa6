"""A film to look at before the work is done: contact sheets and short clips."""
