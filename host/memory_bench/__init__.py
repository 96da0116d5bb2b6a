"""Parts of `tinyanime bench-memory`: networks, boards, engines, and the table they fill."""
