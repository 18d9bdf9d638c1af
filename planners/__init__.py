"""Who drives: the plug-in contract, hosts, the registry and the planners that come with the toolkit."""
