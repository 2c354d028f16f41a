"""Django: `SESSION_ENGINE = "coatcheck.django.sessions"`, and the verbs on a request."""
