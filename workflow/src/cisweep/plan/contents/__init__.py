"""What a chunk holds for each step whose chunks are not those of the regions."""
