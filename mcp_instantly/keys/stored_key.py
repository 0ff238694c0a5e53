"""The key that `login` stored: where it lies, and how it is put there, read and removed.

Each profile has a file of its own in the user's configuration folder. It says for which server the key is, and either
holds the key, readable by its owner alone, or says that it is in the system's keyring. Only then is `keyring` imported.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.key_text import clean_key
from mcp_instantly.private_file import replace_file
from mcp_instantly.text import file_fault

Place = Literal["keyring", "file"]
Result = TypeVar("Result")

SERVICE = "mcp-instantly login"
"""Under this name the keyring has the keys, the profile as the user's name. Keys of workspaces have another one: those
that a person puts there are neither read nor replaced here."""

OLD_SERVICE = "mcp-instantly"
"""Where earlier versions put them: the file of such a login names no service."""

DEFAULT_PROFILE = "default"

PROFILE = re.compile(r"(?!(?:con|prn|aux|nul|(?:com|lpt)[1-9])$)[a-z0-9][a-z0-9_-]{0,39}")
"""A name that is a file of its own on every system, and no key; Windows has devices under some names."""

KEYRING_SECONDS = 30.0
"""Seconds to wait for the keyring, which may ask a person to unlock it."""

NO_KEYRING = "There is no keyring that could keep the key"
INSTALL_KEYRING = "install mcp-instantly[keyring], or use --file"


class KeyringUnusable(ConfigError):
    """The system's keyring is missing, locked or broken. `why` says it in a few words, without advice."""

    def __init__(self, text: str, why: str = "it cannot be used"):
        super().__init__(text)
        self.why = why


def check_profile(name: str | None) -> str:
    """The name of a profile, `default` for None. Raises ConfigError, which does not repeat it: it may be a key."""
    if name is None:
        return DEFAULT_PROFILE
    if not PROFILE.fullmatch(name):
        raise ConfigError(
            "--profile may have up to 40 small letters, digits, - and _, such as --profile agency, and not be the name "
            "of a device of Windows (con, prn, aux, nul, com1, lpt1)."
        )
    return name


def file_of(profile: str) -> Path:
    """Where the login of a profile is kept, whether there is one or not. Raises ConfigError."""
    from platformdirs import user_config_path

    try:
        return user_config_path("mcp-instantly", appauthor=False) / "logins" / f"{profile}.json"
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"There is no folder for the configuration of this user: {error}.") from None


def place_of(profile: str) -> Place | None:
    """Where the key of a profile is, None when nothing is stored. Raises ConfigError for a file that is broken."""
    login = _read(profile)
    return None if login is None else login["place"]


def find_key(profile: str, origin: str) -> str | None:
    """The key that was stored for a server, by its scheme, host and port; None when nothing is stored.

    Raises ConfigError when the key is for another server, and when it cannot be read.
    """
    login = _read(profile)
    if login is None:
        return None
    if login["origin"] != origin:
        raise ConfigError(
            f"The key that login stored as {profile!r} is for {login['origin']}, and goes to no other server: "
            f"run mcp-instantly login --profile NAME --server {origin}, and start with the same --profile."
        )
    if login["place"] == "file":
        return clean_key(login["key"], str(file_of(profile)))
    key = within_time(lambda: _keyring().get_password(_service_of(login), profile))
    if key is None:
        raise ConfigError(f"The keyring has no key for the profile {profile!r} any more; run mcp-instantly login.")
    return clean_key(key, "The key in the keyring")


def store_key(profile: str, origin: str, key: str, place: Place) -> None:
    """Keep a key in the place of an earlier one of this profile. Raises ConfigError; nothing has changed then.

    Raises KeyringUnusable when there is no keyring, or it does not give back what it was given.
    """
    before = _read(profile, strict=False)
    login = {"place": place, "origin": origin}
    if place == "keyring":
        _put_into_keyring(profile, key)
        login["service"] = SERVICE
    else:
        login["key"] = key
    _write(file_of(profile), json.dumps(login, indent=2))
    if before is not None and before["place"] == "keyring" and login.get("service") != _service_of(before):
        with contextlib.suppress(KeyringUnusable):
            _delete_from_keyring(_service_of(before), profile)


def remove_key(profile: str) -> Place | None:
    """Remove what login stored, and say where it was; None when there was nothing.

    Raises ConfigError when it is still there.
    """
    login = _read(profile, strict=False)
    file = file_of(profile)
    if login is not None and login["place"] == "keyring":
        _delete_from_keyring(_service_of(login), profile)
    try:
        file.unlink()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file} cannot be removed: {error.strerror}.") from None
    return "file" if login is None else login["place"]


def _read(profile: str, *, strict: bool = True) -> Any:
    """What the file of a profile says, None without one. A broken one is as none unless `strict`."""
    file = file_of(profile)
    try:
        login = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
    else:
        if _is_login(login):
            return login
        reason = "it is damaged"
    if not strict:
        return None
    raise ConfigError(f"What login stored in {file} cannot be read ({reason}); run mcp-instantly login again.")


def _is_login(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("origin"), str):
        return False
    return value.get("place") == "keyring" or (value.get("place") == "file" and isinstance(value.get("key"), str))


def _service_of(login: dict[str, str]) -> str:
    """The name under which the keyring has the key of a login."""
    return SERVICE if "service" in login else OLD_SERVICE


def _write(file: Path, text: str) -> None:
    """Put a file there whole, for its owner alone. Raises ConfigError."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(file, text + "\n")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {file_fault(error)}.") from None


def keyring_title() -> str:
    """The keyring that would be used, in words. Raises KeyringUnusable when there is none."""
    return str(within_time(_keyring).name)


def _keyring() -> Any:
    """The backend of the system. Raises KeyringUnusable for none, and for those that keep nothing."""
    try:
        import keyring
    except ImportError:
        raise KeyringUnusable(f"{NO_KEYRING}: the package keyring is not installed; {INSTALL_KEYRING}.") from None
    backend = keyring.get_keyring()
    if type(backend).__module__ in ("keyring.backends.fail", "keyring.backends.null"):
        raise KeyringUnusable(f"{NO_KEYRING}: this system has none that can be used; use --file.")
    return backend


def _put_into_keyring(profile: str, key: str) -> None:
    def put() -> bool:
        backend = _keyring()
        backend.set_password(SERVICE, profile, key)
        return bool(backend.get_password(SERVICE, profile) == key)

    if not within_time(put):
        raise KeyringUnusable("The keyring did not give back the key that was put into it; use --file.")


def _delete_from_keyring(service: str, profile: str) -> None:
    def delete() -> None:
        backend = _keyring()
        if backend.get_password(service, profile) is not None:
            backend.delete_password(service, profile)

    within_time(delete)


def within_time(function: Callable[[], Result]) -> Result:
    """What a function of the keyring gives, which may wait for a person. Raises KeyringUnusable, also when it fails.

    Of what a backend says only the kind of the error is told: nobody knows what its text holds.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(KEYRING_SECONDS)
    if results:
        return results[0]
    if not errors:
        silent = f"did not respond within {KEYRING_SECONDS:g} s"
        raise KeyringUnusable(f"The keyring {silent}; unlock it, or use --file.", silent)
    if isinstance(errors[0], ConfigError):
        raise errors[0]
    kind = type(errors[0]).__name__
    raise KeyringUnusable(
        f"The keyring cannot be used ({kind}); unlock it, or use --file or INSTANTLY_API_KEY_FILE.", kind
    ) from None
