"""Our screening beside other guardrail tools, in one run: `make bench-peers`."""
