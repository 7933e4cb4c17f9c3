"""What a supervisor does at intervals beside its work, each a duty in a file of its own."""
