"""Increments: further texts of a finished run: where they lie among its factors, and factors that take them in."""
