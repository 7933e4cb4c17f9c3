"""What a supervisor does at intervals besides its work, each duty in a file of its own."""
