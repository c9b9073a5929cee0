"""What things cost."""

EACH = 5
