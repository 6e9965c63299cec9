"""Object detectors: each finds the 80 COCO classes and gives boxes, scores and instance masks."""
