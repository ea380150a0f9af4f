"""The kinds of Kubernetes that Batchyard makes or reads."""
