"""The inner loops that numba compiles; imported only when there is enough to search."""
