"""What runs in processes of its own: generators of load, supervisors, and their handlers."""
