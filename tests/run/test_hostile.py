"""Hostile run folders: links, permissions, leftovers of killed processes, full and read-only disks, damaged files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from factories import helpdesk_run, hide_factors
from goalspace.encoders.cache import embed
from goalspace.errors import InputError
from goalspace.files import atomic_path, scratch_file, sweep, write_atomic
from goalspace.mounts import network_disk
from goalspace.reports import report
from goalspace.reports.summary import summarise
from goalspace.run import discover, redo
from goalspace.run.folder import Run
from goalspace.run.record import locked


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "run"
    hide_factors(helpdesk_run(path, n=60), 1)
    return path


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def refused(call: Callable[[], Any]) -> str:
    """The message of the InputError that a call raises, which has one line."""
    with pytest.raises(InputError) as caught:
        call()
    said = str(caught.value)
    assert said
    assert "\n" not in said
    return said


def read_all(folder: Path) -> dict[str, Any]:
    run = Run.open(folder)
    _ = run.proposals, run.links, run.factors, run.edits
    return summarise(run)


def python(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )


# ---------------------------------------------------------------- links


@pytest.mark.parametrize(
    "name",
    [
        ".lock",
        "run.json",
        "factors.json",
        "edits.jsonl",
        "links/links.json",
        "edited/edited.json",
        "llm.sqlite",
        "report.md",
    ],
)
def test_nothing_is_written_through_a_link_in_a_run_folder(folder: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)

    def lock() -> None:
        with locked(folder):
            raise AssertionError

    said = refused(lock)
    assert str(folder / name) in said
    assert "symbolic link" in said
    assert target.read_text() == "precious"


@pytest.mark.parametrize("name", ["links", "edited", "vectors"])
def test_nothing_is_written_into_a_linked_folder(folder: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / name).symlink_to(outside)
    assert str(folder / name) in refused(lambda: redo(Run.open(folder), "propose", {}))
    assert list(outside.iterdir()) == []


def test_a_run_folder_may_itself_be_a_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(folder)
    with locked(link):
        pass
    assert read_all(link)["totals"]["n_texts"] == 60
    assert report(Run.open(link)) == link / "report.html"


def test_a_report_is_not_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (folder / "report.html").symlink_to(target)
    assert str(folder / "report.html") in refused(lambda: report(Run.open(folder)))
    assert target.read_text() == "precious"


def test_vectors_are_not_cached_in_a_linked_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "vectors").symlink_to(outside)
    assert "symbolic link" in refused(lambda: embed(["a text"], encoder="minilm", cache_dir=tmp_path))
    assert list(outside.iterdir()) == []


# ---------------------------------------------------------------- permissions

UMASK = """
import os, sys
from pathlib import Path
from goalspace.files import make_folder, write_atomic
from goalspace.llm.cache import _open
os.umask(int(sys.argv[1], 8))
folder = Path(sys.argv[2])
make_folder(folder)
write_atomic(folder / "run.json", "{}")
write_atomic(folder / "run.json", "{ }")
with _open(folder / "llm.sqlite"):
    pass
"""


@pytest.mark.parametrize(
    ("umask", "mode"),
    [("022", 0o644), ("027", 0o640), ("077", 0o600), ("002", 0o664), ("000", 0o666), ("007", 0o660)],
)
def test_files_follow_the_umask_and_folders_are_private(tmp_path: Path, umask: str, mode: int) -> None:
    folder = tmp_path / "runs" / "run"
    done = python(UMASK, umask, folder)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "run.json").stat().st_mode) == mode
    # SQLite creates its files with 0644
    assert stat.S_IMODE((folder / "llm.sqlite").stat().st_mode) == mode & 0o644


def test_the_folder_that_discover_makes_is_private(tmp_path: Path) -> None:
    refused(
        lambda: discover(
            [f"text {i}" for i in range(12)], goal="why", out=tmp_path / "run", options={"sample": 0}
        )
    )
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


# ---------------------------------------------------------------- leftovers

KILLED = """
import os, signal, sys
from pathlib import Path
from goalspace.files import atomic_path, scratch_file
scratch_file(".parquet")
with atomic_path(Path(sys.argv[1]) / "factors.json") as path:
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    done = python(KILLED, folder)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (left,), (spilled,) = folder.glob(".*.tmp"), scratch.iterdir()
    kept = [
        folder / ".notes.tmp",
        folder / ".a.b.tmp",
        scratch / "goalspace-notes.txt",
        scratch / "other.parquet",
    ]
    for path in kept:
        path.touch()
    before = time.time() - 2 * 86400
    Run.open(folder)
    scratch_file(".parquet")[1]()
    assert left.exists()  # too recent to be removed without the folder's lock
    assert spilled.exists()
    for path in (left, spilled, *kept):
        os.utime(path, (before, before))
    Run.open(folder)
    scratch_file(".parquet")[1]()
    assert not left.exists()
    assert not spilled.exists()
    assert all(path.exists() for path in kept)


def test_files_in_use_are_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path, remove = scratch_file(".parquet")
    os.utime(path, (0, 0))
    scratch_file(".parquet")[1]()
    assert path.exists()
    with atomic_path(tmp_path / "a.json") as temporary:
        os.utime(temporary, (0, 0))
        sweep(tmp_path, older_than=0)
        assert temporary.exists()
    remove()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_linked_leftover_does_not_lead_out(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".run.json.0123abcd.tmp").symlink_to(target)
    sweep(folder, older_than=0)
    assert target.read_text() == "precious"


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120 + ".json")
    write_atomic(path, "x")
    assert path.read_text() == "x"


# ---------------------------------------------------------------- disks

LIMITED = """
import resource, sys
from pathlib import Path
from goalspace.errors import InputError
from goalspace.run.folder import Run
run = Run.open(sys.argv[1])
run.factors, run.proposals, run.corpus.metadata["product"]
target = Path(sys.argv[1]) / "full"
target.mkdir()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
for write in (
    lambda: run.links.save(target / "links"),
    lambda: run.factors.save(target),
    lambda: run.proposals.save(target / "proposals.jsonl", run.corpus),
    lambda: run.corpus.save(target / "corpus.parquet"),
):
    try:
        write()
    except InputError as error:
        assert "cannot be written (" in str(error) and str(target) in str(error), error
        print(str(error))
    else:
        raise SystemExit("written")
assert not [path for path in target.rglob("*") if path.is_file()], list(target.rglob("*"))
"""


def test_a_full_disk_is_told_in_one_line_and_leaves_no_part_of_a_file(folder: Path) -> None:
    done = python(LIMITED, folder, 1000)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


READ_ONLY = """
import os, sys
from pathlib import Path
from goalspace.errors import InputError
from goalspace.reports import report
from goalspace.run import redo
from goalspace.run.folder import Run
folder, elsewhere = map(Path, sys.argv[1:])
report(Run.open(folder), path=elsewhere / "report.html")  # imports what is needed
os.umask(0)
run = Run.open(folder)
assert run.factors.names and run.edits.done
for write in (lambda: report(run), lambda: redo(run, "propose", {})):
    try:
        write()
    except InputError as error:
        print(str(error))
"""


def test_a_read_only_folder_can_be_read_and_is_not_written(folder: Path, tmp_path: Path) -> None:
    as_user: list[str] = []
    if os.geteuid() == 0:  # who may write everywhere
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv, which takes root's rights away, is not installed")
        as_user = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            [*as_user, sys.executable, "-c", READ_ONLY, str(folder), str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    page, stage = done.stdout.splitlines()
    assert "report.md cannot be written (Permission denied)" in page
    assert "cannot be written (Permission denied)" in stage


MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:25 / /proc rw,nosuid shared:5 - proc proc rw
40 22 0:44 / /home rw,relatime shared:20 - nfs4 server:/home rw,vers=4.2
41 40 0:45 / /home/me/local rw - xfs /dev/sdb rw
42 22 0:46 / /mnt/with\\040space rw - cifs //server/share rw
43 22 0:47 / /mnt/ssh rw master:3 propagate_from:2 - fuse.sshfs me@host:/ rw
44 22 0:48 / /mnt/ntfs rw - fuseblk /dev/sdc rw
45 22 0:49 / /data rw - nfs server:/data rw
46 22 0:50 / /data rw - tmpfs tmpfs rw
a broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/run", None),
        ("/home/me/run/llm.sqlite", "nfs4"),
        ("/home", "nfs4"),
        ("/homes/run", None),
        ("/home/me/local/run", None),
        ("/mnt/with space/run", "cifs"),
        ("/mnt/ssh/run", "fuse.sshfs"),
        ("/mnt/ntfs/run", None),
        ("/data/run", None),
    ],
)
def test_a_network_disk_is_recognised(path: str, kind: str | None) -> None:
    assert network_disk(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("mounts", ["", "\n", "1 2 3 - nfs", " - ", "x" * 1000])
def test_broken_mounts_are_no_network_disk(mounts: str) -> None:
    assert network_disk(Path("/home/run"), mounts) is None


# ---------------------------------------------------------------- damaged files


def replaced(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text("utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(goal=None), "'goal' of it is null"),
        (lambda r: r.update(goal=" "), "the goal is empty"),
        (lambda r: r.update(format=True), "'format' of it is true or false"),
        (lambda r: r.update(format=9), "Upgrade goalspace"),
        (lambda r: r.update(format=10**30), "too large"),
        (
            lambda r: r["stages"]["factor"]["arguments"].update(seed=-1),
            "'seed' of 'factor' of 'stages' is not from 0",
        ),
        (lambda r: r["stages"]["factor"]["arguments"].update(seed="1"), "'seed'"),
        (lambda r: r["stages"]["link"].pop("digest"), "has no 'digest'"),
        (lambda r: r["stages"]["link"]["result"].update(recipe=3), "'recipe'"),
        (lambda r: r["stages"]["propose"]["result"].update(n_pairs=float("nan")), "not finite"),
        (lambda r: r["stages"]["propose"]["result"].update(n_pairs=-1), "is not a count"),
        (lambda r: r["stages"].update(factor=None), "'factor' of 'stages' of it is null"),
    ],
)
def test_a_damaged_record_says_what_is_wrong(folder: Path, change: Callable[[Any], Any], said: str) -> None:
    replaced(folder / "run.json", change)
    message = refused(lambda: Run.open(folder))
    assert said in message
    assert str(folder) in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format": 1, "format": 1}', "a name twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"format": 1e999}', "not finite"),
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("null", "it is null"),
        ("[]", "it is a list"),
    ],
    ids=lambda value: value[:20],
)
def test_a_record_that_is_not_such_json_is_refused(folder: Path, content: str, said: str) -> None:
    (folder / "run.json").write_text(content, encoding="utf-8")
    assert said in refused(lambda: Run.open(folder))


def test_a_lone_surrogate_is_replaced(folder: Path) -> None:
    replaced(folder / "factors.json", lambda f: f["names"].__setitem__(3, "late\ud800 \U0001f600"))
    assert Run.open(folder).fitted.names[3] == "late\ufffd \U0001f600"


def test_an_unknown_argument_is_refused_when_the_stage_is_redone(folder: Path) -> None:
    replaced(folder / "run.json", lambda r: r["stages"]["link"]["arguments"].update(speed="fast"))
    assert "has no argument 'speed'" in refused(lambda: redo(Run.open(folder), "link", {}))


@pytest.mark.parametrize("spec", ["recorded:gone.jsonl", "recorded:.", "recorded:", "recorded:gone#field"])
def test_a_recorded_file_that_is_gone_is_named_when_the_stage_is_redone(folder: Path, spec: str) -> None:
    assert "recorded" in refused(lambda: redo(Run.open(folder), "propose", {"llm": spec}))


def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    assert "File name too long" in refused(lambda: Run.open(path))
    assert "File name too long" in refused(
        lambda: discover([f"a text {i}" for i in range(12)], goal="why", out=path)
    )


def test_a_run_that_was_killed_at_its_start_can_be_started_again(tmp_path: Path) -> None:
    (tmp_path / ".run.json.0123abcd.tmp").write_text("{")
    (tmp_path / ".lock").touch()
    texts = [f"text {i}" for i in range(12)]
    refused(lambda: discover(texts, goal="why", out=tmp_path, options={"sample": 0}))
    assert Run.open(tmp_path).goal == "why"
    assert not (tmp_path / ".run.json.0123abcd.tmp").exists()


def test_arguments_of_earlier_versions_are_known(folder: Path) -> None:
    old = {"calls": "two", "keep": "start", "max_unread": 0.5}
    replaced(folder / "run.json", lambda r: r["stages"]["propose"]["arguments"].update(old))
    assert Run.open(folder).record["stages"]["propose"]["arguments"]["calls"] == "two"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("factors.json", lambda f: f.update(names=["a", "a", "b", "c"]), "names of factors repeat"),
        ("factors.json", lambda f: f.update(hidden=[9]), "a hidden factor is out of range"),
        ("factors.json", lambda f: f.update(hidden=[0, 1, 2, 3]), "all factors are hidden"),
        ("factors.json", lambda f: f["evidence"][0][0].update(start=-1), "a sentence of the evidence"),
        ("factors.json", lambda f: f["evidence"][0][0].update(score=None), "'score' of item 0 of item 0"),
        ("factors.json", lambda f: f["hierarchy"][0].update(assignment=[0]), "does not match the one below"),
        ("factors.json", lambda f: f["vocabulary"].pop(), "not those of the links"),
        ("edited/factors.json", lambda f: f["poles"].pop(), "'poles' has not one item per factor"),
        ("edited/edited.json", lambda f: f.update(lost=[1]), "item 0 of 'lost'"),
        ("links/links.json", lambda f: f.update(encoder=1), "'encoder'"),
    ],
)
def test_a_tampered_file_is_named_with_what_makes_it_again(
    folder: Path, name: str, change: Callable[[Any], Any], said: str
) -> None:
    replaced(folder / name, change)
    message = refused(lambda: read_all(folder))
    assert said in message
    assert str(folder / name) in message
    assert f"run goalspace {'link' if 'links' in name else 'factor'} {folder} again" in message


@pytest.mark.parametrize(
    ("name", "array", "change", "said"),
    [
        ("factors.safetensors", "scores", lambda a: a.T, "'scores' has the size"),
        ("factors.safetensors", "scores", lambda a: a * np.float32("nan"), "not finite"),
        ("factors.safetensors", "dominant", lambda a: a + 9, "a dominant factor is out of range"),
        (
            "factors.safetensors",
            "dominant",
            lambda a: a.astype(np.float32),
            "'dominant' holds float32 numbers",
        ),
        ("factors.safetensors", "owners", lambda a: a * 0, "a factor has no prototype"),
        (
            "links/text_vectors.npy",
            "",
            lambda a: a[1:],
            "'text_vectors' has the size 59 instead of 60",
        ),
        ("links/text_vectors.npy", "", lambda a: a * np.float32("inf"), "not finite"),
        ("links/text_vectors.npy", "", lambda a: a.astype(object), "cannot be read"),
        (
            "links/vectors.safetensors",
            "property_vectors",
            lambda a: a[0],
            "'property_vectors' has 1 dimensions",
        ),
        ("edited/properties.safetensors", "property_vectors", lambda a: a[0], "has 1 dimensions"),
        ("edited/factors.safetensors", "map", lambda a: a[:, :1], "'map' has the size 1 instead of 2"),
    ],
)
def test_a_tampered_array_is_refused(
    folder: Path, name: str, array: str, change: Callable[[np.ndarray], np.ndarray], said: str
) -> None:
    if name.endswith(".npy"):
        np.save(folder / name, change(np.load(folder / name)), allow_pickle=True)
    else:
        arrays = load_file(folder / name)
        arrays[array] = np.ascontiguousarray(change(arrays[array]))
        save_file(arrays, folder / name)
    message = refused(lambda: read_all(folder))
    assert said in message
    assert str(folder / name) in message


@pytest.mark.parametrize(
    "line", ["null", "[]", '{"undo": true}', '{"edit": {"do": []}}', '{"a": 1, "a": 2}', "[" * 100_000]
)
def test_a_line_that_is_no_edit_is_named(folder: Path, line: str) -> None:
    (folder / "edits.jsonl").write_text(f"\n{line}\n", encoding="utf-8")
    assert "edits.jsonl, line 2: this is not an edit" in refused(lambda: Run.open(folder).edits)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(id="nobody"), "a text that is not in the corpus"),
        (lambda r: r.update(id=["1"]), "'id' of line 1 is a list"),
        (lambda r: r["properties"].append(r["properties"][0]), "a property twice"),
        (lambda r: r["properties"][0].update(property="new"), "the last line does not have"),
        (lambda r: r["properties"][0].update(quote=3), "'quote'"),
        (lambda r: r.update(analysis=None), "'analysis'"),
    ],
)
def test_tampered_proposals_are_refused(folder: Path, change: Callable[[Any], Any], said: str) -> None:
    path = folder / "proposals.jsonl"
    first, *others = path.read_text("utf-8").splitlines(keepends=True)
    record = json.loads(first)
    change(record)
    path.write_text(json.dumps(record) + "\n" + "".join(others), encoding="utf-8")
    message = refused(lambda: Run.open(folder).proposals)
    assert said in message
    assert f"run goalspace propose {folder} again" in message


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}", bytes(300)])
def test_damaged_vectors_in_the_cache_are_made_again(tmp_path: Path, damage: bytes) -> None:
    vectors = embed(["a text", "another"], encoder="minilm", cache_dir=tmp_path)
    (stored,) = (tmp_path / "vectors").iterdir()
    good = stored.read_bytes()
    stored.write_bytes(damage)
    np.testing.assert_array_equal(embed(["a text", "another"], encoder="minilm", cache_dir=tmp_path), vectors)
    assert stored.read_bytes() == good
