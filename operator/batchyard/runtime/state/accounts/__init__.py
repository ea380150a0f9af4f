"""What runs and grants take: capacity, slots of limits, consumable resources, usage of shares."""
