"""What a user would take instead: each peer in an environment of its own, timed in turn with ours."""
