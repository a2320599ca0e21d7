"""One module per noun of the contract."""
