"""Ways a customer reaches the assistant: HTTP API, customer page, OpenAI-compatible interface."""
