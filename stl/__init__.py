"""Signal Temporal Logic: formulas, their text, their robustness. Knows nothing of driving."""
