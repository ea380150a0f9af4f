"""What Karpenter has, and what it tells: NodePools, NodeClaims, and why a node did not come."""
