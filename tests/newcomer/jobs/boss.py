"""The boss: gives out jobs, six at a time, and says who did them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from job import JOB

config_model = {"required": {"jobs": int}}
connection_models = {"out": {"job": JOB}}


def main(to_send, config):
    with ThreadPoolExecutor(6) as pool:
        done = pool.map(lambda n: to_send("job", {"job": n})["worker"], range(config["jobs"]))
        print(dict(sorted(Counter(done).items())))
