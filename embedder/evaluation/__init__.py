"""Evaluations by the field's own protocols; docs/evaluation.md says what each one measures."""
