"""What is asked of the database and of the machine, while a test runs and afterwards."""
