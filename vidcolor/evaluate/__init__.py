"""How good the colours are: measures, and reports of them."""
