"""What nodes have room for, and which of them are right for a pod."""
