"""Where rows meet the network: what RQ calls, each job in seconds, with ids as arguments."""
