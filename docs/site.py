"""A hook for MkDocs: the site is laid out as the repository is, so that the same links lead on in both.

MkDocs by itself takes only what lies in docs/. This adds the pages beside it, and every file that a page links to.
"""

import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT: Final = Path(__file__).parents[1]
_LINK: Final = re.compile(r"\]\(([^)\s#:]+)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Put the repository's pages in the place of what MkDocs found in docs/; the theme's own files stay."""
    pages = [*_ROOT.glob("*.md"), *(_ROOT / "docs").glob("*.md")]
    linked = {
        (page.parent / target).resolve() for page in pages for target in _LINK.findall(page.read_text(encoding="utf-8"))
    }
    for file in [each for each in files if each.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted({*pages, *linked}):
        # What does not exist is left to MkDocs, which says where the link is.
        if path.is_file() and path.is_relative_to(_ROOT):
            uri = path.relative_to(_ROOT).as_posix()
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files
