"""What runs and grants take: capacity, places of limits, consumable resources, usage of shares."""
