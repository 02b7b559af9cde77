"""The type of the file system that a path is on, and whether it is a network disk."""

from __future__ import annotations

import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|9p|ceph|glusterfs|lustre|beegfs|gpfs|"
    r"fuse\.(sshfs|s3fs|rclone|davfs|gcsfuse|glusterfs|ceph|smbnetfs|curlftpfs|gvfsd-fuse)|davfs"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_disk(path: Path, mounts: str | None = None) -> str | None:
    """Return the type of the network disk that a path is on, such as "nfs4"; None if it is on none, or unknown.

    Parameters
    ----------
    path
        A file or folder, which need not exist.
    mounts
        The content of /proc/self/mountinfo; by default read from there, which only Linux has.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    kind = _file_system(path.resolve(), mounts)
    return kind if kind is not None and _NETWORK.fullmatch(kind) else None


def _file_system(path: Path, mounts: str) -> str | None:
    """Return the type of the innermost mount that holds a path; of mounts at one place, the last hides the others."""
    best: tuple[int, str | None] = (-1, None)
    for line in mounts.splitlines():
        # id, parent, device, root, mount point, options, any optional fields, "-", type, source, options
        fields, separator, rest = line.partition(" - ")
        parts, kind = fields.split(" "), rest.split(" ")[0]
        if not separator or len(parts) < 6:
            continue
        point = Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), parts[4]))
        if (point == path or point in path.parents) and len(point.parts) >= best[0]:
            best = len(point.parts), kind
    return best[1]
