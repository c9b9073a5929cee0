"""The only door to git: objects, refs, history, working copies, remotes. Called by steps, daemon and cli."""
