"""What a stress test decides and computes: values in, values out."""
