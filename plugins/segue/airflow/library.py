"""The library as a zip that reaches Spark's executors with a job."""

import hashlib
import uuid
import zipfile
from functools import cache
from pathlib import Path

import segue
from segue.settings import get_settings


@cache
def library_zip() -> str:
    """The path of a zip of the package `segue`, written once for its content."""
    package = Path(segue.__file__).parent
    files = sorted(p for p in package.rglob("*") if p.is_file() and p.suffix != ".pyc")
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    target = get_settings().home / "cache" / f"segue-{digest.hexdigest()[:12]}.zip"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{uuid.uuid4().hex}.part")
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as out:
            for file in files:
                out.write(file, f"segue/{file.relative_to(package)}")
        part.replace(target)
    return str(target)
