"""Better Auth as a provider of sessions."""
