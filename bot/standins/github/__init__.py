"""The fake GitHub."""

from bot.standins.github.forge import EVENTS, PERMISSIONS, GitHub
from bot.standins.github.mail import Attempt
from bot.standins.github.repo import GitHubRepo
from bot.standins.github.state import App, Installation

__all__ = ["EVENTS", "PERMISSIONS", "App", "Attempt", "GitHub", "GitHubRepo", "Installation"]
