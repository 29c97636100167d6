"""GitLab, and nothing of the others."""
