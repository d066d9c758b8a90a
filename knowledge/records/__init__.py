"""Materials in SQL: the truth from which every index is derived."""
