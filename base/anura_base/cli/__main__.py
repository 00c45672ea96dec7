"""`python -m anura_base.cli` is `anura-base`."""

from anura_base.cli.main import main

main()
