"""What an export holds where there is no constant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TerraformExpression:
    """A value that only Terraform can work out, as it is written."""

    text: str

    def __str__(self) -> str:
        return self.text
