"""Writing an answer from what was found: extractive by default, by a language model when one is configured."""
