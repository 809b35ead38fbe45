"""A fleet as manifests of Kubernetes, checked by its own schemas."""

from __future__ import annotations

import json
import re
import stat
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from tests.fleet.export.services import FLEET, write_fleet
from tests.support.manifests import documents_in, require_valid
from tests.support.shell import ran

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


Files = dict[str, dict[str, Any]]


@pytest.fixture
def market(tmp_path: Path) -> Path:
    write_fleet(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a fleet that is exported, and stays as it is."""
    folder = tmp_path_factory.mktemp("market")
    write_fleet(folder)
    export(folder)
    return folder


@pytest.fixture(scope="module")
def files(as_it_is: Path) -> Files:
    """Give its documents."""
    return documents_of(as_it_is)


def export(market: Path) -> None:
    done = ran("export", "kubernetes", "--image", "me/market:1", "-o", "k8s", cwd=market)
    assert done.status == 0, done.err


def documents_of(market: Path) -> Files:
    """Return the documents by file and kind; each one fits the schema."""
    found = {}
    for path in sorted((market / "k8s").glob("*.yaml")):
        documents = documents_in(path)
        for document in documents:
            require_valid(document)
        found[path.name] = {document["kind"]: document for document in documents}
    return found


def exported(market: Path) -> Files:
    export(market)
    return documents_of(market)


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def test_a_service_is_a_stateful_set_that_others_reach_by_name(files: Files) -> None:
    pricer = files["market-pricer.yaml"]
    assert pricer["Service"]["spec"]["publishNotReadyAddresses"] is True
    assert pricer["Service"]["spec"]["clusterIP"] == "None"
    assert pricer["StatefulSet"]["spec"]["replicas"] == 2
    pod = pricer["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 10
    ready = container(pricer["StatefulSet"])["readinessProbe"]["httpGet"]
    assert ready == {"path": "/readyz", "port": 8600}
    command = container(pricer["StatefulSet"])["command"]
    assert "pricer#$(SF_ACTORS_INSTANCE)" in command
    assert command[-2:] == ["--instance", "$(SF_ACTORS_INSTANCE)"]
    given = json.loads(files["market-caller.yaml"]["ConfigMap"]["data"]["addresses.json"])
    assert given["connections"]["out"]["price"]["requester"] == [
        "market-pricer-1.market-pricer:27000",
        "market-pricer-2.market-pricer:27000",
    ]
    config = pricer["ConfigMap"]["data"]["config.json"]
    assert config == '{"factor": 1.50}\n'


def test_a_main_that_ends_is_a_job_and_a_bus_has_two_ports(files: Files) -> None:
    assert files["market-caller.yaml"].keys() == {"ConfigMap", "Job"}
    assert files["market-caller.yaml"]["Job"]["spec"]["backoffLimit"] == 0
    bus = files["market-bus.yaml"]
    assert [port["port"] for port in bus["Service"]["spec"]["ports"]] == [27000, 27001]
    assert container(bus["StatefulSet"])["command"][:4] == ["python", "-m", "sf_actors", "bus"]


def test_the_same_fleet_gives_the_same_bytes(as_it_is: Path) -> None:
    before = {path.name: path.read_bytes() for path in (as_it_is / "k8s").iterdir()}
    export(as_it_is)

    assert {path.name: path.read_bytes() for path in (as_it_is / "k8s").iterdir()} == before


def test_keys_are_secrets_of_their_owner_alone(market: Path) -> None:
    text = FLEET.replace('name = "market"', 'name = "market"\nkeys = "keys"')
    (market / "fleet.toml").write_text(text)
    assert ran("keys", "fleet", cwd=market).status == 0
    files = exported(market)

    secret = files["market-pricer-secret.yaml"]["Secret"]
    own = (market / "keys" / "pricer" / "own.key_secret").read_bytes()
    assert b64decode(secret["data"]["own.key_secret"]) == own
    mode = (market / "k8s" / "market-pricer-secret.yaml").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    workload = files["market-pricer.yaml"]["StatefulSet"]
    volume = workload["spec"]["template"]["spec"]["volumes"][-1]
    assert {item["path"] for item in volume["secret"]["items"]} == {
        "keys/own.key_secret",
        "keys/authorized/caller.key",
    }
    assert "/etc/sf_actors-keys/keys" in container(workload)["command"]


def test_names_that_kubernetes_cannot_have_are_refused(market: Path) -> None:
    (market / "fleet.toml").write_text(FLEET.replace('"market"', f'"{"x" * 60}"'))
    done = ran("export", "kubernetes", "--image", "x", "-o", "k8s", cwd=market)

    assert done.status == 2
    assert "give the fleet another name" in done.err
    assert not (market / "k8s").exists()


def test_each_instance_of_a_main_that_ends_is_a_job(market: Path) -> None:
    (market / "fleet.toml").write_text(FLEET.replace("main = true", "main = true\ninstances = 2"))
    done = ran("export", "kubernetes", "--image", "x", "-o", "k8s", cwd=market)
    assert done.status == 0, done.err
    documents = documents_in(market / "k8s" / "market-caller.yaml")

    jobs = [one for one in documents if one["kind"] == "Job"]
    assert [one["metadata"]["name"] for one in jobs] == ["market-caller-1", "market-caller-2"]
    assert "caller#2" in container(jobs[1])["command"]


def test_texts_are_taken_as_they_are_and_probes_reach_the_pod(market: Path) -> None:
    text = FLEET.replace("50% of $HOME", "50% of $(HOME)")
    (market / "fleet.toml").write_text(
        text.replace("[services.bus]", 'http = "127.0.0.1:9000"\n[services.bus]').replace(
            "instances = 2", ""
        )
    )
    found = container(exported(market)["market-pricer.yaml"]["StatefulSet"])

    assert {"name": "TITLE", "value": "50% of $$(HOME)"} in found["env"]
    assert "0.0.0.0:9000" in found["command"]
    assert found["livenessProbe"]["httpGet"]["port"] == 9000


def test_dollar_signs_arrive_as_they_are(market: Path) -> None:
    text = "$$HOME $$$(HOME) $ a$"
    # a fleet file writes each of them twice
    (market / "fleet.toml").write_text(FLEET.replace("50% of $HOME", text.replace("$", "$$")))
    found = container(exported(market)["market-pricer.yaml"]["StatefulSet"])

    (title,) = [one["value"] for one in found["env"] if one["name"] == "TITLE"]
    assert expanded(title) == text


def expanded(text: str) -> str:
    """Return what Kubernetes makes of a text: `$$` is a `$`, `$(NAME)` a variable."""
    return re.sub(r"\$(\$|\(\w+\))", lambda found: "$" if found[1] == "$" else "EXPANDED", text)


def test_probes_reach_a_pod_of_a_service_that_takes_any_port(market: Path) -> None:
    (market / "fleet.toml").write_text(
        FLEET.replace("[services.bus]", 'http = "127.0.0.1:0"\n[services.bus]')
    )
    documents = exported(market)["market-pricer.yaml"]
    found = container(documents["StatefulSet"])

    assert "0.0.0.0:8600" in found["command"]
    assert found["livenessProbe"]["httpGet"]["port"] == 8600
    assert {"name": "http", "port": 8600} in documents["Service"]["spec"]["ports"]


@pytest.mark.parametrize(
    "keys",
    [
        'http = "127.0.0.1:27000"',
        'bind = { price = "0.0.0.0:8600" }',
        'bind = { price = "0.0.0.0:8600" }\nhttp = "127.0.0.1:0"',
    ],
)
def test_a_chosen_port_is_no_other_of_the_pod(market: Path, keys: str) -> None:
    (market / "fleet.toml").write_text(FLEET.replace("instances = 2", keys))
    service = exported(market)["market-pricer.yaml"]["Service"]

    ports = [one["port"] for one in service["spec"]["ports"]]
    assert len(set(ports)) == len(ports) == 2


def test_characters_that_yaml_writes_in_another_form_than_json_arrive(market: Path) -> None:
    text = "\U0001f600 \\u007f \\\\ ü"
    (market / "fleet.toml").write_text(FLEET.replace("50% of $HOME", text))
    found = exported(market)["market-pricer.yaml"]

    assert {"name": "TITLE", "value": "\U0001f600 \x7f \\ ü"} in container(found["StatefulSet"])[
        "env"
    ]
    # readers of YAML in Go refuse surrogates, and DEL as it is
    written = (market / "k8s" / "market-pricer.yaml").read_text()
    assert r'"\U0001f600 \U0000007f \\ \u00fc"' in written


def test_an_address_that_other_pods_cannot_reach_is_refused(market: Path) -> None:
    bound = FLEET.replace("instances = 2", 'bind = { price = "127.0.0.1:27001" }')
    (market / "fleet.toml").write_text(bound)
    done = ran("export", "kubernetes", "--image", "x", "-o", "k8s", cwd=market)
    assert (done.status, "that other pods reach" in done.err) == (2, True)

    (market / "fleet.toml").write_text(bound.replace("127.0.0.1", "0.0.0.0"))
    given = exported(market)["market-caller.yaml"]["ConfigMap"]["data"]["addresses.json"]
    assert '"market-pricer-1.market-pricer:27001"' in given
