"""What a settler decides about the outcomes that it is to write: values in, values out."""
