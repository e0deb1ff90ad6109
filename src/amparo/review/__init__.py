"""The web desk: pages on loopback where analysts review a case."""

from amparo.review.app import create_app, serve

__all__ = ["create_app", "serve"]
