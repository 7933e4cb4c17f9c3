"""The report: figures drawn as one HTML page without any reference to elsewhere, and as text."""
