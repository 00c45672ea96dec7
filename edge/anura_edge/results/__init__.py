"""Results for other programs: rows of the journal, and the tables, pages and files that are made of them."""
