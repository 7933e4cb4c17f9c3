"""What a settler decides about the outcomes that it is to write, as functions of values."""
