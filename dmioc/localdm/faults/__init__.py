"""Faults that localdm makes on purpose: told by a file, matched to requests, made in place of an answer or in it."""
