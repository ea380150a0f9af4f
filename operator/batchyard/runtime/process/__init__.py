"""The process around it all: who leads, what is served over HTTP, options and logs."""
