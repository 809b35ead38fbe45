"""What the admin and the workers share."""

FLAGS = {"state_type": "delta_update_out", "required_arguments": {"flags": {str: bool}}}
SWITCH = {
    "connection_type": "requester",
    "required_arguments": {"flag": str, "is_on": bool},
    "required_return_arguments": {"on": int},
}
ASK = {
    "connection_type": "requester",
    "required_arguments": {"flag": str},
    "required_return_arguments": {"is_on": bool, "worker": str},
}
