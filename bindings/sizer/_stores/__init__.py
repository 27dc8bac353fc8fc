"""Models that lie on this machine: what Ollama, LM Studio, llama.cpp and the Hugging Face hub keep."""
