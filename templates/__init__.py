"""Jinja2 templates of generated C projects, shipped as package data."""
