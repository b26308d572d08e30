"""Paint label maps in a browser and see the image that a trained generator makes of them: `python -m scripts.paint`."""
