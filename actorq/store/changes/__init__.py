"""The changes of jobs' states as their followers read them, and who the followers are."""
