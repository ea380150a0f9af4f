"""What the API server's own admission makes of the pods of a job, known before the job is granted anything."""
