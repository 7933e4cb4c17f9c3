"""Sessions with the database: the only rooms that know the driver's manners."""
