"""The supervisor as a reducer, room by room."""
