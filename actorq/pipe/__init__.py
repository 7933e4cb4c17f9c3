"""What crosses between a supervisor and its actors: frames, the shared page, the rules. No I/O."""
