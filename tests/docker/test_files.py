"""docker/ without Docker: what can be told from the files alone."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from .files import (
    DOCKER,
    LONG_RUNNING,
    OURS,
    ROOT,
    compose,
    copies,
    filled,
    ignore_rules,
    instructions,
    last_stage,
    lay_out,
    services,
    variables,
)

BIN = Path(sys.executable).parent
BUILT = "frontend/dist"  # in a stage of its own
COMPOSE = (DOCKER / "compose.yaml").read_text()
OUTSIDE = (DOCKER / "compose.outside.yaml").read_text()
SECRETS = {
    "POSTGRES_PASSWORD", "REDIS_PASSWORD", "MILVUS_ROOT_PASSWORD", "MINIO_PASSWORD", "SECRET_KEY",
}  # fmt: skip


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_finds_nothing() -> None:
    run(str(BIN / "hadolint"), "--failure-threshold", "style", "docker/Dockerfile")


@pytest.mark.parametrize("file", ["compose.yaml", "compose.outside.yaml"])
def test_compose_is_of_its_schema(file: str) -> None:
    run(
        str(BIN / "check-jsonschema"),
        *("--builtin-schema", "vendor.compose-spec", f"docker/{file}"),
    )


# --- The image ---


def test_images_are_of_an_exact_version() -> None:
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    others = {each["image"] for each in services().values()}
    for image in bases | others:
        # PostgreSQL counts in two numbers, all others in three.
        exact = r":\d+\.\d+" if image.startswith("postgres:") else r":(v|\D+\.)?\d+[.-]\d+[.-]\d+"
        assert re.search(exact, image), image
        assert "latest" not in image
    (version,) = {services()[name]["image"] for name in OURS}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version == f"likeness:{project['version']}"


def test_the_image_installs_the_torch_that_the_project_names() -> None:
    (wanted,) = re.findall(r'"(torch==[^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert re.findall(r"torch==\S+", (DOCKER / "Dockerfile").read_text()) == [wanted]
    default = re.search(r"TORCH_INDEX \?= (\S+)", (ROOT / "Makefile").read_text())
    assert default is not None
    assert f"ARG TORCH_INDEX={default[1]}\n" in (DOCKER / "Dockerfile").read_text()
    assert variables(COMPOSE)["TORCH_INDEX"] == ("-", default[1])


def test_what_is_copied_is_there_and_not_ignored() -> None:
    everything, *rules = ignore_rules()
    assert everything == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    sources = {source for each, _ in copies(instructions()) for source in each}
    assert sources == let_in
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_last_stage_holds_all_of_our_code_and_nothing_else(tmp_path: Path) -> None:
    lay_out(tmp_path / "app")

    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    rooms = wheel["targets"]["wheel"]["only-include"]
    expected = {
        path.relative_to(ROOT)
        for room in rooms
        if room != BUILT
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = {
        path.relative_to(tmp_path / "app")
        for path in (tmp_path / "app").rglob("*")
        if path.is_file()
    }
    others = {Path("pyproject.toml"), Path("manage.py"), Path("docker/healthcheck.py")}
    assert found == expected | others
    # What another stage has built is not here to be looked at.
    assert ("COPY", f"--from=portal /app/{BUILT} {BUILT}") in last_stage()
    for kind in ("migrations/0001_initial.py", "templates", "static"):
        assert any(kind in str(path) for path in found), kind


def test_nothing_runs_as_root_and_no_build_tools_are_left() -> None:
    stage = last_stage()
    (user,) = [rest for word, rest in stage if word == "USER"]
    assert user == "10001:10001"
    ran = " ".join(rest for word, rest in stage if word == "RUN")
    assert not re.search(r"gcc|build-essential|g\+\+|make\b|-dev\b|pip install", ran)
    assert "pip uninstall --yes pip" in ran
    assert ("ENTRYPOINT", '["python", "manage.py"]') in stage
    environment = " ".join(rest for word, rest in stage if word == "ENV")
    assert "PYTHONUNBUFFERED=1" in environment


# --- The services ---


def test_ours_are_shut_in() -> None:
    for name in OURS:
        service = services()[name]
        assert service["user"] == "10001:10001"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["init"] is True
    for name, service in services().items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name


def test_a_shell_as_command_does_not_keep_root() -> None:
    """The images of PostgreSQL and Redis leave root where their own program is the command."""
    shells = [name for name, each in services().items() if each.get("command", [""])[0] == "sh"]
    assert {name: services()[name]["user"] for name in shells} == {"redis": "redis"}


def test_what_runs_for_long_is_watched_and_started_again() -> None:
    for name, service in services().items():
        if name == "prepare":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert service["logging"]["options"]["max-size"], name


def test_ours_have_a_limit_of_memory() -> None:
    assert all(services()[name]["mem_limit"] for name in OURS)


def test_nothing_of_ours_starts_before_the_database_is_prepared() -> None:
    for name in LONG_RUNNING:
        wanted = services()[name]["depends_on"]
        assert wanted["prepare"] == {"condition": "service_completed_successfully"}
        for server in ("postgres", "redis", "milvus"):
            assert wanted[server] == {"condition": "service_healthy"}


def test_only_web_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: each["ports"] for name, each in services().items() if "ports" in each}
    assert published == {"web": ["${LISTEN:-127.0.0.1:8000}:8000"]}
    networks = compose()["networks"]
    assert [name for name, each in networks.items() if not (each or {}).get("internal")] == [
        "outside"
    ]
    assert [name for name, each in services().items() if "outside" in each["networks"]] == ["web"]
    ours = {network for name in OURS for network in services()[name]["networks"]}
    assert "index" not in ours  # etcd and MinIO are Milvus's


def test_volumes_and_networks_are_declared() -> None:
    declared = compose()
    used = {
        filled(volume, {}).split(":")[0]
        for each in services().values()
        for volume in each.get("volumes", [])
    }
    assert used == set(declared["volumes"])
    networks = {network for each in services().values() for network in each["networks"]}
    assert networks == set(declared["networks"])


def test_what_is_sent_to_imports_lies_where_all_who_need_it_look() -> None:
    """web puts it there, imports reads it, maintenance removes it."""
    for name in ("web", "imports", "maintenance"):
        service = services()[name]
        assert service["environment"]["LIKENESS_VAR_DIR"] == "/data"
        assert "data:/data" in service["volumes"], name


def test_a_folder_to_import_from_is_only_read_and_only_by_imports() -> None:
    mounted = {
        name: [filled(each, {"IMPORT_FOLDER": "/srv/photos"}) for each in service["volumes"]]
        for name, service in services().items()
        if any("/import" in each for each in service.get("volumes", []))
    }
    assert mounted == {"imports": ["data:/data", "ledger:/ledger", "/srv/photos:/import:ro"]}
    assert {services()[name]["environment"]["IMPORT_ROOTS"] for name in OURS} == {"/import"}


def test_only_imports_gets_a_way_out_and_only_where_it_is_asked_for() -> None:
    outside = yaml.safe_load(OUTSIDE)["services"]
    assert set(outside) == {"web", "imports"}
    assert outside["imports"]["networks"] == ["inside", "outside"]
    assert set(outside["web"]) == {"environment"}
    assert not any("AWS" in name for name in outside["web"]["environment"])
    known = set(re.findall(r"^#([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(outside["web"]["environment"]) <= known
    assert variables(OUTSIDE)["IMPORT_URLS"] == ("-", "off")


def test_every_command_exists() -> None:
    for name in OURS:
        command, *rest = services()[name]["command"]
        loaded = load_command_class(get_commands()[command], command)
        parsed = loaded.create_parser("manage.py", command).parse_args(rest)
        if name != "prepare":
            assert parsed.process == name


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_the_check_of_each_is_its_own(name: str) -> None:
    test = services()[name]["healthcheck"]["test"]
    assert test == ["CMD", "python", "docker/healthcheck.py", name]


# --- Secrets and settings ---


def test_no_secret_has_a_default() -> None:
    needed = {name for name, (sign, _) in variables(COMPOSE).items() if sign == "?"}
    assert needed == SECRETS
    defaults = {name: rest for name, (sign, rest) in variables(COMPOSE).items() if sign == "-"}
    assert [name for name in defaults if re.search(r"PASSWORD|SECRET|KEY", name)] == []
    assert defaults["METRICS_TOKEN"] == ""
    assert not re.search(r"minioadmin|root:Milvus", COMPOSE)


def test_the_example_names_every_variable_and_no_value_of_a_secret() -> None:
    text = (DOCKER / ".env.example").read_text()
    assert set(re.findall(r"^([A-Z0-9_]+)=$", text, re.MULTILINE)) == SECRETS
    optional = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    assert SECRETS | set(optional) == set(variables(COMPOSE + OUTSIDE))


def test_every_variable_of_ours_is_a_setting() -> None:
    known = set(re.findall(r"^#([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for name in OURS:
        environment: dict[str, Any] = services()[name]["environment"]
        assert set(environment) <= known, set(environment) - known


def test_milvus_is_not_one_with_known_holes_nor_with_its_well_known_password() -> None:
    milvus = services()["milvus"]
    version = tuple(int(part) for part in re.findall(r"\d+", milvus["image"]))
    assert version >= (2, 6, 10)
    assert milvus["environment"]["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"
    assert milvus["environment"]["COMMON_SECURITY_DEFAULTROOTPASSWORD"].startswith(
        "${MILVUS_ROOT_PASSWORD:?"
    )


def test_the_client_of_postgresql_is_of_the_servers_version() -> None:
    (server,) = re.findall(r"postgres:(\d+)\.", services()["postgres"]["image"])
    assert f"postgresql-client-{server}=" in (DOCKER / "Dockerfile").read_text()
