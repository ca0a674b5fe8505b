"""From a photo to faces to 128-d templates.

Importing this package, its types, errors or images never imports torch: a web process that only
checks uploads stays small. `embedder.pipeline` brings torch along.
"""
