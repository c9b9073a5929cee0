"""The decisions, pure: state and now in, facts out. No I/O, no clock, no dice."""
