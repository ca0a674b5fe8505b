"""OpenCV, set up once for the whole package: import `cv2` from here."""

import os

# OpenCV reads this while it is imported, so it has to stand in the environment before.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "50000000")

import cv2

# Faces are small: OpenCV's own threads cost more to wake than they save, and they would compete
# with torch's.
cv2.setNumThreads(1)

__all__ = ["cv2"]
