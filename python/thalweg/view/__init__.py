"""Pictures of pipelines, in files and in notebooks."""
