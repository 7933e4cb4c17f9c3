"""Sessions with the database: the only modules that know the driver's details."""
