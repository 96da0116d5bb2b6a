"""Plan to C text through Jinja2 templates."""
