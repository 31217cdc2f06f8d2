"""What the reader–item graph knows: tools, retrieval, claims in words, their verification."""
