"""Where a browser is, and axe-core: AXE is the path of its axe.min.js, or `npm i axe-core`."""

import os
import shutil
from pathlib import Path

from walkthrough import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
AXE = Path(os.environ.get("AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
