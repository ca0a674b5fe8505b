from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may ask: people who sign in, and machines with a key."""

    name = "accounts"
