"""What makes the log provable: signing keys, signed heads, the mark, verification; and raw personal text beside it."""
