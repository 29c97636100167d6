"""Draws docs/picture.png from the demo (`make picture`); `--all DIR` writes every page, desktop and phone, light and dark.

Rule: the demo is a separate program here: started as `python -m bot.demo`, read over HTTP, nothing of it imported.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, ViewportSize, sync_playwright

PICTURE = Path(__file__).with_name("picture.png")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PACKAGES = ("chromium", "fonts-inter", "fonts-dejavu-core")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
"""Without the networking flags Chromium looks for its maker's hosts at every start."""
DESKTOP, PHONE = ViewportSize(width=1280, height=880), ViewportSize(width=390, height=844)
DEADLINE = 240.0
"""Seconds until the demo must have played and checked itself."""
MOST_BYTES = 300_000
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<include>/etc/fonts/fonts.conf</include>
<alias binding="strong"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
<alias binding="strong"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
<alias binding="strong"><family>sans</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>
"""
"""A bare machine has no typeface of its own for `system-ui`, desktops have; without Inter the pages take what there is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture or all pages; 1 and a sentence when something is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", metavar="DIR", type=Path, help="every page into this folder instead")
    parser.add_argument("--url", help="a demo that already runs")
    options = parser.parse_args(arguments)
    install_missing()
    with sync_playwright() as playwright, chromium(playwright) as browser:
        if options.url:
            return draw(browser, options.url, options.all)
        with demo() as url:
            return draw(browser, url, options.all)


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as fonts:
        fonts.write(FONTS)
        fonts.flush()
        environment: dict[str, str | float | bool] = {**os.environ, "FONTCONFIG_FILE": fonts.name}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), env=environment)
        try:
            yield browser
        finally:
            browser.close()


def draw(browser: Browser, url: str, folder: Path | None) -> int:
    """Write what was asked for; 1 if the picture is too heavy for a README or a page is wider than its window."""
    if folder is None:
        shoot(browser, f"{url}/", PICTURE, size=DESKTOP, scheme="light", whole=False)
        weight = PICTURE.stat().st_size
        say(f"{PICTURE}: {weight:,} bytes")
        return int(weight > MOST_BYTES)
    folder.mkdir(parents=True, exist_ok=True)
    wide = []
    for name, path in pages(browser, url).items():
        for device, size in (("desktop", DESKTOP), ("phone", PHONE)):
            for scheme in ("light", "dark"):
                file = folder / f"{name}-{device}-{scheme}.png"
                if shoot(browser, url + path, file, size=size, scheme=scheme) > size["width"]:
                    wide.append(file.name)
    for name in wide:
        say(f"wider than its window: {name}")
    say(f"{folder}: {len(list(folder.glob('*.png')))} pictures")
    return int(bool(wide))


def shoot(browser: Browser, url: str, file: Path, *, size: ViewportSize, scheme: str, whole: bool = True) -> int:
    """Photograph a page; the width that it needs, in pixels."""
    context = browser.new_context(
        viewport=size,
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-GB",
        java_script_enabled=True,
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.goto(url, wait_until="load")
        page.screenshot(path=file, full_page=whole)
        return int(page.evaluate("document.documentElement.scrollWidth"))
    finally:
        context.close()


def pages(browser: Browser, url: str) -> dict[str, str]:
    """Name and path of every page worth looking at; deployments are found by what their pages say."""
    found = {
        "overview": "/",
        "overview-long": "/?days=90",
        "service": "/services/checkout?days=90",
        "deployments": "/deployments?days=90&env=all",
        "deployments-failed": "/deployments?days=90&change_failure=true&counted=true",
        "failures": "/failures?days=90&env=all",
        "repositories": "/repositories",
        "definitions": "/definitions",
        "rules": "/rules",
        "deliveries": "/deliveries",
        "nothing-matches": "/?service=nobody",
        "wrong-filter": "/?days=soon",
        "not-there": "/no/such/page",
    }
    wanted = {
        "deployment-commits": ("Mean of each stage", "Commits that do not count"),
        "deployment-evidence": ("Mended by", "Mean of each stage"),
        "deployment-rollback": ("It mended", "Commits taken back"),
    }
    reader = browser.new_context()
    service = reader.request.get(f"{url}/services/checkout?days=90&env=all").text()
    for path in dict.fromkeys(re.findall(r'href="(/deployments/[^"?]+)"', service)):
        text = reader.request.get(url + path).text()
        for name, words in tuple(wanted.items()):
            if path not in found.values() and all(word in text for word in words):
                found[name] = path
                del wanted[name]
    reader.close()
    return found


@contextmanager
def demo() -> Iterator[str]:
    """The demo on a free port with its data in a folder of its own, played and checked; its address."""
    with tempfile.TemporaryDirectory(prefix="rollforward-picture-") as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken.close()
        command = [sys.executable, "-m", "bot.demo", "--data", folder]
        environment = {name: value for name, value in os.environ.items() if name != "DEMO_EXIT"} | {"PORT": str(port)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                wait_for_dashboard(iter(process.stdout or ()))
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                process.communicate(timeout=30)


def wait_for_dashboard(lines: Iterator[str]) -> None:
    """Read what the demo says until its dashboard is open."""
    until = time.monotonic() + DEADLINE
    for line in lines:
        say(line.rstrip())
        if "The dashboard:" in line:
            return
        if time.monotonic() > until:
            break
    raise SystemExit("picture: the demo did not come up; what it said is above")


def say(text: str) -> None:
    """A line to whoever runs this."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def install_missing() -> None:
    """Debian's Chromium and a good typeface, when they are missing and apt may be asked."""
    if Path(CHROMIUM).exists():
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit(f"picture: {CHROMIUM} is missing: install {', '.join(PACKAGES)}, or set CHROMIUM")
    say(f"picture: installing {', '.join(PACKAGES)}")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], check=True)


if __name__ == "__main__":
    sys.exit(main())
