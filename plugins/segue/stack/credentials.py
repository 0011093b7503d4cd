"""Secrets of the local stack: generated once, each in a file that only its owner reads."""

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from segue.settings import Settings
from segue.stack.home import Home

ADMIN = "admin"

# Without the letters and digits that people confuse.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"


def fernet_key(home: Home) -> str:
    """The key Airflow encrypts connections with."""
    return _once(home, "fernet_key", lambda: base64.urlsafe_b64encode(os.urandom(32)).decode())


def jwt_secret(home: Home) -> str:
    """The secret Airflow signs its API's tokens with."""
    return _once(home, "jwt_secret", lambda: secrets.token_urlsafe(48))


def api_secret_key(home: Home) -> str:
    """The secret Airflow signs its sessions with."""
    return _once(home, "api_secret_key", lambda: secrets.token_urlsafe(48))


def mongo_password(home: Home) -> str:
    """The password of the embedded mongod's user."""
    return _once(home, "mongo_password", lambda: secrets.token_urlsafe(24))


def admin_passwords_file(home: Home) -> Path:
    """The file SimpleAuthManager reads: a JSON object from user to password."""
    _once(home, "airflow_passwords.json", lambda: json.dumps({ADMIN: _readable_password()}))
    return home.secrets / "airflow_passwords.json"


def admin_password(settings: Settings) -> str:
    """The password of Airflow's user `admin`."""
    passwords = json.loads(admin_passwords_file(Home.of(settings)).read_text())
    return str(passwords[ADMIN])


def _readable_password() -> str:
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(5))


def _once(home: Home, name: str, generate: Callable[[], str]) -> str:
    path = home.secrets / name
    if not path.exists():
        home.create()
        draft = home.secrets / f".{name}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(generate())
        try:
            # A link fails when another process was first; its secret then holds.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
