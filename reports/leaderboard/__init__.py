"""Many runs in one table, and the table in every format."""
