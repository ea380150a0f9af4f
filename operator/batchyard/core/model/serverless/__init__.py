"""What environments without nodes of their own say of the pods that run there."""
