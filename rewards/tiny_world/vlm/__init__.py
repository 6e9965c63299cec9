"""Stand-ins for the vision-language judges, written in their own environment: random weights, real layouts."""
