"""What Batchyard writes to the API server, built as plain objects from records: Jobs, revisions, statuses.

Pure functions, called by the runtime's executor and by its cache, which reads statuses and revisions back.
"""
