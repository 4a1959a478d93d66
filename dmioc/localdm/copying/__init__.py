"""The copy process of localdm and what it speaks with its parent; the standard library alone, so that it begins quickly."""
