"""A folder for the sockets of each test's fleet."""

from tests.inspection.conftest import folder  # noqa: F401 - a fixture of these tests too
