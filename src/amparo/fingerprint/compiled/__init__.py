"""The inner loops over pixels that numba compiles; imported only when there is a picture to look at.

The warm parent loads them, because a cell can load nothing.
"""
