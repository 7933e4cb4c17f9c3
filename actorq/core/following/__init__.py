"""Following what happens: events, the cursor that says how far one has read, and their order."""
