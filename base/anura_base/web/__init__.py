"""The web server: authentication, JSON API and pages."""
