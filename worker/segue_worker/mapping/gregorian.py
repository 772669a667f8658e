"""The Gregorian calendar over JavaScript's range of years, which is wider than that of `datetime`."""

from typing import Final

_MARCH: Final = 3
_ERA_YEARS: Final = 400
_ERA_DAYS: Final = 146_097


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01. Days past the end of a month run on into the next."""
    from_march = year - (month < _MARCH)
    era, year_of_era = divmod(from_march, _ERA_YEARS)
    day_of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _ERA_DAYS + day_of_era - 719_468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a number of days since 1970-01-01."""
    era, day_of_era = divmod(days + 719_468, _ERA_DAYS)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = (shifted + 2) % 12 + 1
    return era * _ERA_YEARS + year_of_era + (month < _MARCH), month, day_of_year - (153 * shifted + 2) // 5 + 1
