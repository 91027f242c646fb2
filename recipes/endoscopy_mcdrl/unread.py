"""Flags that nothing would read: refused, where they would be passed over without a word."""

from __future__ import annotations

from deconfound.errors import ConfigurationError
from deconfound.flags import flag_of

from .config import RecipeConfig
from .parts import takes_layer


def refuse_unread(config: RecipeConfig) -> None:
    """Refuse a setting, other than its default, that says something of what is not there.

    Raises:
        ConfigurationError: two flags of which one has to go.
    """
    for setting, expected in _unread(config).items():
        value = getattr(config, setting)
        if value != RecipeConfig.model_fields[setting].default:
            raise ConfigurationError(
                f"{flag_of(setting)} {value}: expected {expected}; leave one of the two flags out"
            )


def _unread(config: RecipeConfig) -> dict[str, str]:
    """Return the settings that nothing would read, each with what would."""
    unread: dict[str, str] = {}
    if config.data is None:
        unread["frames_per_site"] = "images of one's own, found no --data"
    else:
        rendered = f"rendered sites, found --data {config.data}"
        unread |= dict.fromkeys(("images_per_site", "scenes", "correlation"), rendered)
    if config.task == "binary":
        unread["lambda_lesion"] = "several lesions to tell apart, found --task binary"
    own_layer = "mcdrl_literal" in config.methods and not any(map(takes_layer, config.methods))
    if own_layer and config.merge != "replace":
        unread["merge"] = "a method that takes it, found mcdrl_literal, which replaces"
    return unread
