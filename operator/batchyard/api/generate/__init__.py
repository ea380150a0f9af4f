"""What is generated from the models: schemas, CustomResourceDefinitions, the reference page."""
