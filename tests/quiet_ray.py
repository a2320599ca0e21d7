"""Ray Serve and what is built on it: its own declarations warn when they are imported, and warnings fail in tests."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ray.serve import Application
    from ray.serve.schema import ServeDeploySchema

    from heedmap.app import cluster
    from heedmap.app.http import forward

__all__ = ["Application", "ServeDeploySchema", "cluster", "forward"]
