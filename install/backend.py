"""The backend's environment: torch, diffusers, and packages that read and write clips. Creates, tests and removes
it."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .backend_doctor import ask_backend
from .clearing import clear, clear_environment
from .data import remove_data
from .environments import Environment, Layer, first_match, shares
from .failures import INSTALL, OFFLINE, OTHER_FOLDER, InstallError
from .files import is_link, is_there
from .machine import this_machine
from .paths import ROOT, data_folder, environment_folder, interpreter, work_folder
from .pip import Pip, kept_mb
from .pythons import Python, backend_base, probe
from .reports import Report
from .sentences import Sentence
from .state import check_ours, is_ours, read_state
from .torch_build import LOCKS, TORCH, TorchBuild, choose_build
from .work import LOG, clear_work, is_our_work, locked_work_folder

TEST_REQUIREMENTS = ROOT / "install" / "requirements-test.txt"
LOCK = "backend.txt"
LOCK_DOWNLOAD_MB, LOCK_DISK_MB = 210, 750


@dataclass
class Backend:
    """Where the backend's environment is, and how to create it.

    where: the folder; None selects the default. wheels: a folder to install from instead of an index. build: the name
    of a torch build; None selects the one that fits this machine.
    """

    where: Path | None = None
    wheels: Path | None = None
    build: str | None = None
    report: Report = field(default_factory=Report)

    @property
    def folder(self) -> Path:
        """The environment's folder."""
        return environment_folder(self.where)

    def make(self, for_tests: bool = False, repair: bool = False, check: bool = False) -> Path:
        """Creates or completes the environment and returns its interpreter. Raises InstallError.

        for_tests: installs the test packages too; repair: checks every installed file; check: runs a short generation
        at the end.
        """
        if self.wheels and not self.wheels.is_dir():
            raise InstallError(
                "There is no folder {wheels}.", f"Choose the folder with the packages: {OFFLINE}."
            ).about(wheels=self.wheels)
        check_ours(self.folder)
        self._check_apart()
        build, layers = self.announce(for_tests)
        environment = Environment(self.folder, backend_base, layers, self.report, self.wheels, build.name)
        python = environment.make(repair)
        if check:
            self.check(python)
        return python

    def _check_apart(self) -> None:
        """Raises InstallError if jobs or models are inside the environment, because removing it would remove them
        too."""
        for folder in (data_folder(), data_folder() / "jobs", data_folder() / "models"):
            if folder.resolve().is_relative_to(self.folder.resolve()):
                raise InstallError(
                    "{folder} is inside {backend}, where the backend would be installed.",
                    f"Set MOTIONCLONE_DATA to another folder for jobs and models. {OTHER_FOLDER}",
                ).about(folder=folder, backend=self.folder)

    def fetch(self, folder: Path) -> None:
        """Downloads the wheels for this machine and its Python into `folder`. Existing environments are not changed."""
        build = choose_build(this_machine(backend_base().arch), self.build)
        folder.mkdir(parents=True, exist_ok=True)
        left = max(0.0, build.download_mb + LOCK_DOWNLOAD_MB - kept_mb(folder))
        self.report.plan(
            f"torch {TORCH} ({build.title}) and the rest into {folder}: about {left:,.0f} MB to download",
            str(folder),
            left,
            0,
        )
        elsewhere = "Or choose another folder."
        with (
            locked_work_folder(folder, elsewhere) as work,
            tempfile.TemporaryDirectory(prefix="motionclone-") as scratch,
        ):
            environment = Path(scratch) / "venv"
            python = Environment(environment, backend_base, (), self.report).make()
            pip = Pip(environment, python, work, self.report)
            layers = backend_layers(build)
            for layer, share in zip(layers, shares(layers), strict=True):
                self.report.stage("download", layer.description)
                first_match(layer.attempts, partial(pip.fetch, folder=folder, share=share))
        clear_work(folder)  # after a failure the log stays
        self.report.done(f"The wheels are in {folder}. Install from them: {OFFLINE}.", "")

    def check(self, python: Path) -> None:
        """Runs a short generation with the demo model in a temporary folder. Raises InstallError when it fails."""
        self.report.stage("check", "Testing: a short generation with the demo model")
        work = work_folder(self.folder)
        for left in work.glob("check-*"):  # left by a run that was killed
            clear(left)
        with tempfile.TemporaryDirectory(prefix="check-", dir=work, ignore_cleanup_errors=True) as data:
            findings = ask_backend(python, ["--generate"], {"MOTIONCLONE_DATA": data}, work / LOG)
        for finding in findings:
            if finding["level"] == "problem":
                raise InstallError(finding["text"], finding["hint"])

    def existing(self) -> Path:
        """The interpreter of the environment. Raises InstallError when there is none."""
        python = interpreter(self.folder)
        if not python.exists():
            raise InstallError("There is no backend environment at {folder}.", f"{INSTALL}.").about(folder=self.folder)
        return python

    def remove(self, models: bool = False) -> None:
        """Removes everything that the installer and the backend created except jobs, and the models only if `models` is
        set.

        Of a folder that was moved elsewhere and linked, only the link is removed. Raises InstallError.
        """
        environments = self._environments()
        for environment in environments:
            if not is_ours(environment):
                hint = f"Remove it yourself if you do not need anything in it. {OTHER_FOLDER}"
                raise InstallError("{environment} was not made by MotionClone and is kept.", hint).about(
                    environment=environment
                )
        for environment in environments:
            if is_there(environment):
                self._remove(environment)
            if clear_work(environment):
                self.report.note(f"removed {work_folder(environment)}")
        kept = remove_data(self.report, models)
        self.report.done(" ".join(["Removed.", *(f"Kept: {path}." for path in kept)]), "")

    def _remove(self, environment: Path) -> None:
        # If the work folder belongs to someone else, no installation can be running.
        with locked_work_folder(environment) if is_our_work(environment) else nullcontext():
            target = environment.resolve() if is_link(environment) else None
            left = clear_environment(environment)
        self.report.note(f"removed {environment}")
        if target:
            self.report.note(f"It was a link; its target is kept: {target}")
        if left:
            self.report.note(f"Other files kept in {environment}: {', '.join(left)}")

    def _environments(self) -> list[Path]:
        """The backend's environment and, in a checkout, those of the Blender modules for the tests and the demo."""
        modules = [] if self.where else [path for path in ROOT.glob(".venv-bpy-*") if not path.name.endswith("-work")]
        return [self.folder, *modules]

    def _python(self) -> Python:
        """The Python of the finished environment, or the one to create it from."""
        state = read_state(self.folder)
        own = probe([str(interpreter(self.folder))]) if state and state.python else None
        return own or backend_base()

    def announce(self, for_tests: bool = False) -> tuple[TorchBuild, list[Layer]]:
        """Reports what is missing and its size without changing anything. Returns the build and the layers that `make`
        installs."""
        build = choose_build(this_machine(self._python().arch), self.build)
        layers = backend_layers(build, for_tests)
        if build.note:
            self.report.note(build.note)
        state = read_state(self.folder)
        missing = [layer for layer in layers if not state or state.layers.get(layer.name) != layer.fingerprint]
        download = 0 if self.wheels else sum(layer.left_mb(work_folder(self.folder)) for layer in missing)
        disk = sum(layer.disk_mb for layer in missing)
        if missing:
            what = f"torch {TORCH} ({build.title})"
            text = Sentence(
                "{what} into {folder}: about {download} MB to download, {disk} MB on disk",
                what=what,
                folder=self.folder,
                download=f"{download:,.0f}",
                disk=f"{disk:,}",
            )
            if self.wheels:
                text = Sentence(
                    "{what} from {wheels} into {folder}: {disk} MB on disk",
                    what=what,
                    wheels=self.wheels,
                    folder=self.folder,
                    disk=f"{disk:,}",
                )
            self.report.plan(text, str(self.folder), download, disk)
        return build, layers


def backend_layers(build: TorchBuild, for_tests: bool = False) -> list[Layer]:
    """The layers of the environment: torch, the other packages and, if requested, the test packages."""
    lock = LOCKS / LOCK
    torch = Layer(
        "torch",
        f"torch {TORCH} ({build.title}), about {build.download_mb:,} MB",
        build.pip_attempts(),
        [LOCKS / build.lock] if build.lock else [],
        foundation=True,
        download_mb=build.download_mb,
        disk_mb=build.disk_mb,
    )
    rest = Layer(
        "backend",
        f"diffusers and other packages, about {LOCK_DOWNLOAD_MB} MB",
        [["--no-deps", "--require-hashes", "-r", str(lock)]],
        [lock],
        download_mb=LOCK_DOWNLOAD_MB,
        disk_mb=LOCK_DISK_MB,
    )
    tests = Layer(
        "tests",
        "pytest and checkers",
        [["-r", str(TEST_REQUIREMENTS)]],
        [TEST_REQUIREMENTS],
        download_mb=30,
        disk_mb=90,
    )
    return [torch, rest, tests] if for_tests else [torch, rest]
