"""The gate: may a checkpoint pass, given a baseline? Two runs compared, a policy, a verdict, and its formats."""
