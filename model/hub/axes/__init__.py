"""What queries and keys stand for: tokens with characters, patches with boxes, frames with seconds."""
