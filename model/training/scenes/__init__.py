"""Scenes of emoji drawings with captions in two languages: what a captioner learns from and is asked about."""
