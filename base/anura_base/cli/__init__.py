"""The command `anura-base`. `main` has the entry point; each other module adds commands."""
