"""Who may do what: keys and their scopes, rates, hosts and origins; asked before a body is read."""
