"""The live view of the terminal: what is read, what is shown of it, and the terminal itself."""
