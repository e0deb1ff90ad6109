"""Groups over time, propagation, activity."""
