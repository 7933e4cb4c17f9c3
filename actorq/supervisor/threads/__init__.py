"""The supervisor's threads that own a connection each."""
