"""The life of an array job, index by index."""
