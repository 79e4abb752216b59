"""CloudPilot: an agentless backup control panel."""
