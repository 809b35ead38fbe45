"""What instruments tell the recorder, and the recorder the dashboard."""

from dataclasses import dataclass


@dataclass
class Reading:
    instrument: str
    n: int
    celsius: float


READINGS = {
    "connection_type": "publisher",
    "optional_creation_arguments": {"is_x_pub": True},
    "required_arguments": Reading,
}
LATEST = {
    "state_type": "delta_update_out",
    "required_arguments": {"instruments": {str: {"celsius": float, "is_silent": bool}}},
}
