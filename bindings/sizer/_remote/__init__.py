"""Files on servers: random access over HTTP, the Hugging Face hub, the registry of Ollama."""
