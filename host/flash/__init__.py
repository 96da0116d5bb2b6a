"""Flashing tools behind one interface."""
