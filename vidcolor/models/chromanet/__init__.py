"""The default network: a mobile encoder, a small decoder, a distribution over ab at quarter size."""
