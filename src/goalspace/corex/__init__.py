"""Linear CorEx: the factors of a matrix."""
