"""A site whose users see where they are signed in."""
