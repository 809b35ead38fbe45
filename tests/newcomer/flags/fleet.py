"""Twenty workers in one process, until it is told to stop."""

from sf_actors import Service

config_model = {"required": {"publisher": str, "replyer": str}}


def main(config, stopping):
    flags = {"subscriber": config["publisher"], "requester": config["replyer"]}
    places = {"states": {"in": {"flags": flags}}, "connections": {"in": {"ask": "127.0.0.1:0"}}}
    names = [f"worker-{n}" for n in range(20)]
    workers = [Service("worker.py", name=n, config={"worker": n}, addresses=places) for n in names]
    for worker in workers:
        worker.run_service()
        worker.states.wait(timeout_s=10)
    print(*(worker.addresses["connections"]["in"]["ask"] for worker in workers))
    stopping.wait()
