"""Scores of generated images, as papers report them: FID, KID, LPIPS and segmentation scores."""
