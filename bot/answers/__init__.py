"""Every read that web, command line, badges and exports share."""
