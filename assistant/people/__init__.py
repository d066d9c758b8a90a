"""Who may do what: accounts of staff with roles, their sessions, customers' tokens, the table of access."""
