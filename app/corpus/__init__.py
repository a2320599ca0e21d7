"""`heedmap corpus`: what a file of inputs is read as, the command, its table and its report."""
