"""One file for each method: which networks it trains, on which losses, in which order."""
