"""Commands about a person, who is named by one of their ids."""

import pytest
from click.testing import CliRunner

from segue_worker.cli import segue


@pytest.mark.parametrize("command", [["forget", "--yes"], ["contact"]])
def test_an_empty_id_names_nobody_and_is_refused(command: list[str]) -> None:
    result = CliRunner().invoke(segue, [*command, ""])
    assert result.exit_code == 2
    assert "it is empty, and names nobody" in result.stderr
