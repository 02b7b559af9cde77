"""The experiments of the two papers that goalspace implements."""
