"""Board descriptions (TOML) and their loader."""
