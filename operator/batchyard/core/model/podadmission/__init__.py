"""What the API server's own admission adds to pods before it stores them, and what it holds them to."""
