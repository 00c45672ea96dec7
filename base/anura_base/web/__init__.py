"""HTTP: the application, authentication, JSON API and pages."""
