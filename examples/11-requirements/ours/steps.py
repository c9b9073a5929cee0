"""A pull step is a function: its inputs come from the spec, and what it returns later steps can name."""


def fetch(language: str, loud: bool = False) -> dict[str, str]:
    """Find a greeting."""
    words = {"fr": "bonjour", "en": "good day"}[language]
    return {"words": words.upper() if loud else words}
