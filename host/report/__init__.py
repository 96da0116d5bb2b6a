"""The report on a plan: one HTML page, and pictures of its charts."""
