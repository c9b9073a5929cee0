"""The decisions, pure: state and now go in, events come out. Called by the daemon, the pages and the verbs."""
