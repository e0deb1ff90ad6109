"""Claims that join accounts, threads and contents."""
