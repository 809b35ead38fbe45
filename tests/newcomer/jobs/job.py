"""What the boss and the workers share."""

JOB = {
    "connection_type": "requester",
    "optional_creation_arguments": {"timeout_s": 3, "retries": 3, "idempotent": True},
    "required_arguments": {"job": int},
    "required_return_arguments": {"worker": str},
}
