"""Creates a self-hosted extension repository: a folder of static files for any web server.

When the zip's link is dragged into Blender's window, Blender adds the repository and finds updates there.
"""

from __future__ import annotations

import html
import json
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from ..failures import InstallError
from ..files import is_link, is_there, replace
from ..paths import ROOT
from .extension import build_extension, extension_tool, manifest, release_notes, run_tool

INDEX, PAGE = "index.json", "index.html"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} for Blender</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em;
  background: #1d1d1d; color: #ddd }}
a {{ color: #8ab4f8 }}
a.drag {{ display: block; padding: 1.2em; margin: 1.5em 0; background: #4772b3; color: #fff; text-align: center;
  text-decoration: none; border-radius: 6px; font-size: 120% }}
pre {{ white-space: pre-wrap; font: inherit }}
</style>
</head>
<body>
<h1>{name} {version}</h1>
<p>{tagline}. For Blender {minimum} or newer.</p>
<a class="drag" href="{link}">Drag this into Blender's window</a>
<p>Blender then asks to add this page as a repository, installs the extension, and tells you of new versions.
Or <a href="{archive}" download>download the zip</a> ({size}) and choose
<em>Preferences &gt; Get Extensions &gt; Install from Disk</em>.</p>
<h2>What is new</h2>
<pre>{notes}</pre>
</body>
</html>
"""


def make_repository(folder: Path, blender: str | None = None, root: Path = ROOT) -> Path:
    """Writes the zip of the tree at `root`, its index and a page into `folder`. Returns the path of the page.

    Older zips stay but are not listed. The files that refer to the zip are written after it, so readers never see an
    incomplete repository. Raises InstallError.
    """
    _check_ours(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
        new = Path(scratch)
        archive = build_extension(new, blender, root)
        run_tool([*extension_tool(blender), "server-generate", "--repo-dir", str(new)])
        entry = json.loads((new / INDEX).read_text(encoding="utf-8"))["data"][0]
        changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
        (new / PAGE).write_text(_page(entry, release_notes(manifest(root)["version"], changelog)), encoding="utf-8")
        for name in (archive.name, INDEX, PAGE):
            replace(new / name, folder / name)
    return folder / PAGE


def _check_ours(folder: Path) -> None:
    """Raises InstallError if someone else's page would be replaced."""
    for name, mark in ((PAGE, 'class="drag"'), (INDEX, '"archive_url"')):
        path = folder / name
        if is_there(path) and (is_link(path) or mark not in path.read_text(encoding="utf-8", errors="replace")):
            raise InstallError(
                f"{path} exists already and is no page of an extension repository.", "Name another folder."
            )


def _page(entry: dict, notes: str) -> str:
    """The HTML page. `entry` is the extension's entry in the index."""
    drag = {"repository": f"./{INDEX}", "blender_version_min": entry["blender_version_min"]}
    facts = {
        "name": entry["name"],
        "version": entry["version"],
        "tagline": entry["tagline"],
        "minimum": entry["blender_version_min"].removesuffix(".0"),
        "link": f"{entry['archive_url']}?{urlencode(drag)}",
        "archive": entry["archive_url"],
        "size": f"{entry['archive_size'] / 1e6:.0f} MB",
        "notes": notes,
    }
    return _PAGE.format_map({key: html.escape(value) for key, value in facts.items()})
