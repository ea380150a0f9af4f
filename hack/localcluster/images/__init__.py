"""Container images built on this machine, as nothing can be relied on to pull them."""

from .base import PAUSE, PYTHON, SHELL, base_images, build_from_dockerfile

__all__ = ["PAUSE", "PYTHON", "SHELL", "base_images", "build_from_dockerfile"]
