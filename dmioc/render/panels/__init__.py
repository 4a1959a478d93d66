"""Operator panels: one layout, drawn for each display manager."""
