"""What an export has in place of a value that is not a constant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TerraformExpression:
    """A value that only Terraform can compute, as the file has it."""

    text: str

    def __str__(self) -> str:
        return self.text
