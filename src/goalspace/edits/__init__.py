"""Edits: the corrections of factors that an analyst makes."""
