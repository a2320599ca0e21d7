"""Whether a measure names what a model's answer depends on: parts are removed in its order, the answer watched."""
