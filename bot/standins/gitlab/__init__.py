"""GitLab, played over real repositories: `forge.GitLab` is the door."""

from bot.standins.gitlab.forge import GitLab
from bot.standins.gitlab.project import Project
from bot.standins.gitlab.state import Group, Hook, Token

__all__ = ["GitLab", "Group", "Hook", "Project", "Token"]
