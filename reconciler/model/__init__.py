"""The words: frozen data, no decisions. Everything above imports these; they import nothing of ours."""
