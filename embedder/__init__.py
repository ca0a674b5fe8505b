"""From a photo to faces to 128-d templates.

Importing this package, its types, errors, images or catalogue never imports torch: a web process
that only checks uploads stays small. Loading a model (`embedder.catalogue.load_pipeline`) brings
along what that model needs.
"""
