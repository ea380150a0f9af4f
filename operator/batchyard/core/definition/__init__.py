"""From a JobDefinition and its revisions to the pods that its jobs ask for."""
