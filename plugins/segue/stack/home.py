"""Where the local stack keeps what: the folders of SEGUE_HOME."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from segue.errors import SegueError
from segue.settings import Settings

# sun_path holds 107 bytes; supervisord binds `supervisor.sock.<pid>` first, then renames it.
_SOCKET_PATH = 107
_LONGEST_SOCKET_NAME = len("supervisor.sock.4194304")


@dataclass(frozen=True)
class Home:
    """The folders below one SEGUE_HOME."""

    root: Path

    @classmethod
    def of(cls, settings: Settings) -> "Home":
        """The home that `settings` names."""
        return cls(settings.home)

    @property
    def run(self) -> Path:
        """Process ids, configuration and the state of a running stack."""
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        """One generated secret a file."""
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        """A log a component, and the task logs below `airflow`."""
        return self.root / "logs"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.root / "airflow"

    @property
    def mongo(self) -> Path:
        """Data of the embedded mongod."""
        return self.root / "mongo"

    @property
    def postgres(self) -> Path:
        """Data and socket of PostgreSQL; its owner is the user PostgreSQL runs as."""
        return self.root / "postgres"

    def log(self, component: str) -> Path:
        """The log of one component."""
        return self.logs / f"{component}.log"

    def create(self) -> None:
        """Makes the private folders, for this user alone.

        Raises `SegueError` when this user may not.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for folder in (self.run, self.secrets, self.logs, self.airflow, self.mongo):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            raise SegueError(f"SEGUE_HOME {self.root} cannot be used: {error}") from None


def socket_folder(folder: Path) -> Path:
    """`folder`, or a short stand-in below the temporary folder when its path is too long."""
    if len(os.fsencode(folder)) + 1 + _LONGEST_SOCKET_NAME <= _SOCKET_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"segue-{digest}"
