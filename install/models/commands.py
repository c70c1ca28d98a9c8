"""The commands of `python3 -m install models`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..backend import Backend
from ..reports import MB, Report
from .adding import Adding
from .catalogue import read_catalogue
from .managing import listing, remove, verify
from .store import Store

STATES = {"absent": "", "installed": "installed", "unfinished": "not finished", "damaged": "damaged"}


def add_models(parser: argparse.ArgumentParser) -> None:
    """Adds the commands to the parser."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    shown = commands.add_parser("list", help="list the models of the catalogue with sizes and licenses")
    shown.set_defaults(run=_list)
    added = commands.add_parser("add", help="download a model")
    added.add_argument("name", metavar="NAME")
    added.add_argument(
        "--with", dest="extras", action="append", default=[], metavar="EXTRA", help="an extra to add; repeatable"
    )
    added.add_argument(
        "--look",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="search this folder for its files too; repeatable",
    )
    added.add_argument("--yes", action="store_true", help="do not ask before the download")
    added.add_argument(
        "--where", type=Path, metavar="DIR", help="the backend's environment, which is used for downloads"
    )
    added.set_defaults(run=_add)
    removed = commands.add_parser("remove", help="remove a model")
    removed.add_argument("name", metavar="NAME")
    removed.set_defaults(run=_remove)
    verified = commands.add_parser("verify", help="read every file and check its content")
    verified.add_argument("name", nargs="?", metavar="NAME")
    verified.set_defaults(run=_verify)
    for command in (shown, added, removed, verified):
        command.add_argument("--json", action="store_true", help="print JSON, for programs")


def _list(chosen: argparse.Namespace, report: Report) -> None:
    store = Store()
    rows = listing(read_catalogue(), store)
    if chosen.json:
        print(json.dumps({"folder": str(store.models), "models": rows}))
        return
    for row in rows:
        state = STATES[row["state"]]
        size = f"{row['bytes'] / MB:,.0f} MB"
        print(f"{row['name']:15} {row['title']}, {size}{f' ({state})' if state else ''}. {row['about']}")
        for part in [*row["components"], *row["extras"]]:
            extra = f"--with {part['name']}: " if "chosen" in part else ""
            have = "" if part["download_bytes"] else ", available"
            print(f"    {extra}{part['title']}, {part['bytes'] / MB:,.0f} MB{have}")
            print(f"        {part['source']}, license: {part['license']}")


def _add(chosen: argparse.Namespace, report: Report) -> None:
    asks = not (chosen.yes or chosen.json) and sys.stdin.isatty()
    look = [folder.expanduser().absolute() for folder in chosen.look]
    adding = Adding(
        read_catalogue(),
        Store(),
        report,
        python=Backend(chosen.where).existing,
        agree=_agreed if asks else lambda: True,
        look=look,
    )
    entry = adding.add(chosen.name, chosen.extras)
    report.done(f"The model {chosen.name} is ready: {entry}", "")


def _agreed() -> bool:
    return input("  Download it under these licenses? [y/N] ").strip().lower() in ("y", "yes")


def _remove(chosen: argparse.Namespace, report: Report) -> None:
    remove(read_catalogue(), Store(), report, chosen.name)


def _verify(chosen: argparse.Namespace, report: Report) -> None:
    verify(read_catalogue(), Store(), report, chosen.name)
