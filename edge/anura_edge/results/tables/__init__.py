"""Tables of results for ecologists: detection histories, nights, hours. They are pure functions of rows."""
