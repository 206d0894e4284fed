"""What users copy: samples, manifests, and every command and key that the documents name.

All of it offline. What cannot be tried here: docker/railway.ts with Railway's own library (its fields
are held against those in Railway's documents), and any of the platforms themselves.
"""

import asyncio
import copy
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from certs import Authority
from cutover import BUILD, ROOT, cli, program
from schemas import COMPOSE, ECS, KUBERNETES, LIGHTSAIL_CONTAINERS, LIGHTSAIL_ENDPOINT

CONF, DOCKER, DOCS = ROOT / "conf", ROOT / "docker", ROOT / "docs"
SAMPLES = sorted(CONF.glob("railway-to-*.yaml"))
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [ROOT / "README.md", *PAGES]

CONFIG_FILE = "/etc/cutover/cutover.yaml"
STATE_FOLDER = "/var/lib/cutover"
STATE_FILE = f"{STATE_FOLDER}/state.json"


def ids(paths):
    return [path.name for path in paths]


def page(name):
    """A document as one line."""
    return " ".join((DOCS / name).read_text().split())


def read_yaml(path):
    return yaml.safe_load(path.read_text())


# --- configurations ---------------------------------------------------------------------------


class Made:
    """Makes what a configuration names, in a folder of the test, and checks it there."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = Authority(folder / "authority")

    def place(self, path):
        return self.folder / "root" / path.lstrip("/")

    def pair(self, certificate, key):
        made = self.authority.issue(["www.example.org"])
        for source, path in zip(made, (certificate, key)):
            self.place(path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, self.place(path))

    def one(self, key, value):
        place = self.place(value)
        place.parent.mkdir(parents=True, exist_ok=True)
        if key in ("token_file", "secret_file"):
            place.write_text("a-long-enough-word-for-tests-0123456789\n")
        elif key == "ca_file":
            shutil.copy(self.authority.ca_file, place)
        elif key == "acme_webroot":
            place.mkdir(parents=True, exist_ok=True)

    def files(self, node):
        """Makes the files and folders that are named below a node; their paths."""
        if isinstance(node, list):
            return [path for item in node for path in self.files(item)]
        if not isinstance(node, dict):
            return []
        paths = []
        if "certificate" in node:
            self.pair(node["certificate"], node["key"])
            paths += [node["certificate"], node["key"]]
        for key, value in node.items():
            if key in ("token_file", "secret_file", "ca_file", "acme_webroot", "state_file"):
                self.one(key, value)
                paths.append(value)
            elif key not in ("certificate", "key"):
                paths += self.files(value)
        return paths

    def check(self, text, env=None):
        """cutover check of it, with all that it names."""
        paths = self.files(yaml.safe_load(text))
        for path in sorted(set(paths), key=len, reverse=True):
            text = text.replace(path, str(self.place(path)))
        file = self.folder / "cutover.yaml"
        file.write_text(text)
        # Some authority: this machine may have none.
        own = {"PORT": "18080", "SSL_CERT_FILE": self.authority.ca_file}
        return cli("check", "-c", str(file), env={**own, **(env or {})})


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_a_sample_is_valid_once_its_files_are_there(made, sample):
    result = made.check(sample.read_text())
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_a_sample_without_its_files_names_each_that_is_missing(made, tmp_path, sample):
    text = sample.read_text()
    paths = set(made.files(yaml.safe_load(text))) - {STATE_FILE}
    assert len(paths) >= 2
    for path in paths:
        text = text.replace(path, "/nowhere" + path)
    file = tmp_path / "cutover.yaml"
    file.write_text(text)
    result = cli("check", "-c", str(file))
    assert result.returncode == 2
    for path in paths:
        assert f'"/nowhere{path}": cannot' in result.stdout + result.stderr, path


def plain_lines(text):
    """Without comments and blanks."""
    return [line.rstrip() for line in re.sub(r"(?m)(^| )#.*$", "", text).splitlines() if line.strip()]


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_each_line_of_a_sample_that_may_be_changed_says_why(sample):
    """Keys of the second level and below stand under a comment; EDIT marks both sides' servers."""
    lines = sample.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"^ +[a-z_0-9]+: \S", line):
            above = lines[:number]
            while above and re.match(r"^ *(- )?[a-z_0-9]+:", above[-1]):
                above.pop()  # one comment for keys that belong together
            assert above and above[-1].lstrip().startswith("#"), f"{sample.name}:{number + 1}: {line}"
        if re.match(r"^ +- https?://", line):
            assert "EDIT" in "".join(lines[number - 3:number]), f"{sample.name}:{number + 1}"
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_a_sample_does_what_the_move_needs(sample):
    config = read_yaml(sample)
    for side in config["backends"].values():
        assert all(url.startswith("https://") for url in side["servers"])
        public = side.get("host", "upstream") != "upstream"
        railway = any("railway.app" in url for url in side["servers"])
        assert side.get("tls", {}).get("names") == (["*.up.railway.app"] if public and railway else None)
        if side.get("host") == "client":
            assert side["sni"] and config["health"]["host"], "or strangers choose what is asked for"
    assert config["forwarded"]["client_ip_header"] and config["forwarded"]["secret_file"]
    assert {"pin": "old", "name": "webhooks", "path": "/webhooks/"} in config["routes"]
    assert any(route.get("on_404") == "other_side" for route in config["routes"])
    assert config["failover"] == "to_old"
    assert config["state_file"] == STATE_FILE
    assert seconds(config["timeouts"]["upstream_idle"]) < 60, "Railway closes after 60 s"


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", str(text)).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


# --- the reference: every key there is --------------------------------------------------------


def reference_text():
    """conf/cutover.yaml with its keys no longer commented out: "#" but not "# "."""
    return re.sub(r"(?m)^#[?!]?(?! \S)", "", (CONF / "cutover.yaml").read_text())


def paths_of(node, path=""):
    if isinstance(node, dict):
        for key, value in node.items():
            here = f"{path}.{key}" if path else key
            yield here
            yield from paths_of(value, here)
    elif isinstance(node, list):
        for item in node:
            yield from paths_of(item, path)


class Twice(yaml.SafeLoader):
    """A key that is there as default and as example counts with what both have."""


def _merge(loader, node):
    result = {}
    for key, value in loader.construct_pairs(node, deep=True):
        previous = result.get(key)
        if isinstance(previous, dict) and isinstance(value, dict):
            result[key] = {**previous, **value}
        elif isinstance(previous, list) and isinstance(value, list):
            result[key] = previous + value
        else:
            result[key] = value or previous
    return result


Twice.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _merge)


# Sections that are null or empty by default: their keys stand in the comment above them.
IN_COMMENTS = {"listen.tls": ["certificate", "key"], "admin.tls": ["certificate", "key"],
               "backends.old.tls": ["verify", "ca_file", "names"],
               "backends.new.tls": ["verify", "ca_file", "names"],
               "plan.steps": ["weight", "hold", "before", "after"]}


@pytest.fixture(scope="module")
def known():
    """The paths of all keys: listen.address, backends.old.tls.names, routes.on_404 ..."""
    paths = set(paths_of(yaml.load(reference_text(), Twice)))  # noqa: S506 a SafeLoader
    text = (CONF / "cutover.yaml").read_text()
    for section, keys in IN_COMMENTS.items():
        assert section in paths
        for key in keys:
            assert re.search(rf"\b{key}\b", text), f"conf/cutover.yaml does not explain {section}.{key}"
            paths.add(f"{section}.{key}")
    health = [path for path in paths if path.startswith("health.")]
    paths |= {f"backends.{side}.{path}" for side in ("old", "new") for path in health}
    assert {"listen.address", "backends.new.servers", "routes.pin", "plan.guard.window"} <= paths
    return paths


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_the_reference_has_every_key_of_the_samples(sample, known):
    missing = set(paths_of(read_yaml(sample))) - known
    assert not missing, f"conf/cutover.yaml does not explain {sorted(missing)}"


# --- documents: blocks ------------------------------------------------------------------------


def blocks(path):
    """(line, language, marks, text) of each fenced block."""
    found, start = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.startswith("```"):
            if start:
                start[3].append(line)
        elif start:
            found.append((*start[:3], "\n".join(start[3]) + "\n"))
            start = None
        else:
            language, *marks = line[3:].split() or [""]
            start = (number, language, marks, [])
    assert start is None, f"{path.name}: a block without an end"
    return found


def all_blocks(language):
    return [pytest.param(path, block, id=f"{path.name}:{block[0]}")
            for path in PAGES for block in blocks(path) if block[1] == language]


YAML_BLOCKS = all_blocks("yaml")


def test_every_block_says_what_it_is():
    for path in PAGES:
        for line, language, marks, _ in blocks(path):
            where = f"{path.name}:{line}"
            assert language in ("", "yaml", "json", "sh", "python", "js", "nginx"), where
            assert (language == "yaml") == bool(marks), f"{where}: yaml is whole, part or file=..."
            assert not marks or marks in (["whole"], ["part"]) or marks[0].startswith("file="), where


@pytest.mark.parametrize("path, block", YAML_BLOCKS)
def test_configuration_in_the_documents(made, known, path, block):
    _, _, [mark], text = block
    if mark == "whole":
        result = made.check(text)
        assert result.returncode == 0, result.stdout + result.stderr
        assert set(paths_of(yaml.safe_load(text))) <= known
    elif mark == "part":
        unknown = set(paths_of(yaml.safe_load(text))) - known
        assert not unknown, unknown
    else:
        wanted = plain_lines(text)
        lines = plain_lines((ROOT / mark.removeprefix("file=")).read_text())
        found = []
        for line in lines:  # the section and the lines that follow each other below it
            if len(found) < len(wanted) and line == wanted[len(found)]:
                found.append(line)
        assert found == wanted, f"{mark} has no {wanted[len(found)]!r} (in that order)"


def test_all_samples_are_explained():
    text = page("platforms.md")
    for sample in SAMPLES:
        assert f"file=conf/{sample.name}" in text and f"(../conf/{sample.name})" in text


@pytest.mark.parametrize("path, block", all_blocks("sh"))
def test_commands_are_for_a_shell(path, block):
    subprocess.run(["sh", "-n"], input=block[3], text=True, check=True)


@pytest.mark.parametrize("path, block", all_blocks("json"))
def test_json_in_the_documents(path, block):
    json.loads(block[3])


@pytest.mark.parametrize("path, block", all_blocks("python"))
def test_python_in_the_documents(path, block, monkeypatch):
    monkeypatch.setenv("EDGE_SECRET", "word")
    exec(compile(block[3], f"{path.name}:{block[0]}", "exec"), {})  # noqa: S102 ours


@pytest.mark.parametrize("path, block", all_blocks("js"))
def test_javascript_in_the_documents(path, block):
    subprocess.run(["node", "-"], input=block[3], text=True, check=True, timeout=30,
                   env={**os.environ, "EDGE_SECRET": "word"})


def client_address_snippets():
    text = (DOCS / "applications.md").read_text()
    return dict(re.findall(r"\*\*(Django|FastAPI|Flask|Express)\b[^\n]*\n\s*```\w+\n(.*?)```", text, re.S))


@pytest.mark.parametrize("word, told", [("word", "203.0.113.9"), ("wrong", "10.0.0.1"), (None, "10.0.0.1"),
                                        ("wörd", "10.0.0.1")])
def test_the_client_address_is_believed_with_the_secret_alone(monkeypatch, word, told):
    """The three Python recipes, as a framework would call them."""
    monkeypatch.setenv("EDGE_SECRET", "word")
    recipes = client_address_snippets()
    sent = {"X-Client-IP": "203.0.113.9"} | ({"X-Cutover-Secret": word} if word else {})

    def load(name):
        space = {}
        exec(compile(recipes[name], name, "exec"), space)  # noqa: S102 ours
        return space["ClientAddress"]

    class Request:
        headers, META = sent, {"REMOTE_ADDR": "10.0.0.1"}

    assert load("Django")(lambda request: request.META["REMOTE_ADDR"])(Request) == told

    seen = []

    async def application(scope, receive, send):
        seen.append(scope["client"][0])

    headers = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    asyncio.run(load("FastAPI")(application)({"headers": headers, "client": ("10.0.0.1", 1)}, None, None))
    assert seen == [told]

    environ = {"REMOTE_ADDR": "10.0.0.1"}
    environ |= {"HTTP_" + name.upper().replace("-", "_"): value for name, value in sent.items()}

    class Flask:
        pass

    assert load("Flask")(lambda environ, start: environ["REMOTE_ADDR"])(environ, None) == told


@pytest.mark.parametrize("word, told", [("word", "203.0.113.9"), ("wrong", "10.0.0.1"), ("", "10.0.0.1")])
def test_the_client_address_in_express(word, told):
    script = client_address_snippets()["Express"] + (
        "const sent = {'X-Client-IP': '203.0.113.9', 'X-Cutover-Secret': %s};\n"
        "const request = {ip: '10.0.0.1', get: (name) => sent[name]};\n"
        "clientAddress(request, {}, () => console.log(request.clientAddress));\n" % json.dumps(word))
    done = subprocess.run(["node", "-"], input=script, text=True, capture_output=True, check=True,
                          timeout=30, env={**os.environ, "EDGE_SECRET": "word"})
    assert done.stdout.strip() == told


def nginx_block():
    [block] = [block[3] for block in blocks(DOCS / "platforms.md") if block[1] == "nginx"]
    return block


def test_nginx_takes_its_lines(made, tmp_path):
    made.pair("/etc/nginx/tls/fullchain.pem", "/etc/nginx/tls/privkey.pem")
    text = nginx_block().replace("/etc/nginx/tls/", f"{made.place('/etc/nginx/tls')}/")
    text = text.replace("listen 443 ssl", "listen 127.0.0.1:18443 ssl")
    temps = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
                    f"http {{ access_log off; {temps}\n{text} }}\n")
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    done = subprocess.run([nginx, "-t", "-c", str(file), "-p", str(tmp_path)],
                          text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nginx_keeps_connections_longer_than_the_sample():
    kept = seconds(re.search(r"keepalive_timeout (\w+);", nginx_block()).group(1))
    assert kept > seconds(read_yaml(CONF / "railway-to-alibaba.yaml")["timeouts"]["upstream_idle"])


# --- documents: links, commands, keys ---------------------------------------------------------


def anchors(path):
    """As the usual renderers make them of headings."""
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text())
    for title in re.findall(r"(?m)^#+ (.*)$", text):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def links(path):
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+://|mailto:", target):
            yield target


@pytest.mark.parametrize("path", TEXTS, ids=ids(TEXTS))
def test_links_lead_somewhere(path):
    for target in links(path):
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in set(anchors(file)), f"{path.name}: {target}"


def code(path):
    """Code spans and commands, one by one; continued lines are one."""
    text = path.read_text()
    spans = re.findall(r"(?s)(?<!`)`([^`]+)`(?!`)", re.sub(r"(?ms)^```.*?^```", "", text))
    lines = [line for block in blocks(path) if block[1] == "sh"
             for line in block[3].replace("\\\n", " ").splitlines()]
    return [re.sub(r"\s+", " ", span) for span in spans + lines]


@pytest.fixture(scope="module")
def verbs():
    """{verb: its help}."""
    text = cli("help").stdout
    names = re.findall(r"(?m)^  ([a-z]+) +\S", text)
    assert {"run", "check", "doctor", "weight"} <= set(names)
    return {"help": text, **{name: cli(name, "--help").stdout for name in names}}


def commands(path):
    """[(verb, what follows it)] of each command of ours that a text names."""
    if path.suffix == ".md":
        return [found for piece in code(path)
                for found in re.findall(r"(?:^|[\s\"'(])cutover ([a-z]+)\b([^|;&]*)", piece)]
    text = path.read_text()  # elsewhere: in quotes, with a -c, behind "exec", or on a line that is no comment
    return [found for expression in (r'"cutover ([a-z]+)([^"]*)"', r"\bcutover ([a-z]+)( -c [^|;&\n\"]*)",
                                     r"\bexec .*\bcutover ([a-z]+)(.*)",
                                     r"(?m)^ *[^#\n]*\bcutover(?:-start)? ([a-z]+)\b(?!/)([^|;&>\n\"]*)")
            for found in re.findall(expression, text)]


SCRIPTS = [*SAMPLES, CONF / "cutover.service", DOCKER / "compose.yaml", DOCKER / "build-check.sh"]


@pytest.mark.parametrize("path", [*TEXTS, *SCRIPTS], ids=lambda path: path.name)
def test_commands_exist(path, verbs):
    found = commands(path)
    for verb, rest in found:
        assert verb in verbs, f"{path.name}: cutover {verb}{rest}"
        for option in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest):
            takes = re.search(rf"(?<![\w-]){option}(?![\w-])", verbs[verb])
            assert takes, f"{path.name}: cutover {verb} takes no {option}"
    assert found or path.suffix == ".md"


# Words that look like ours and are those of others: nginx, certbot, frameworks.
FOREIGN = """
    client_max_body_size keepalive_timeout proxy_read_timeout server_name stop_grace_period
    allow_origins cors_allowed_origins transports
    rolled_back rollback_ready rule_files
""".split()


def outcomes():
    return re.findall(r'X\(OUTCOME_\w+, "(\w+)"', (ROOT / "include/telemetry/outcome.h").read_text())


def is_known(word, known):
    pattern = re.escape(word).replace(r"\*", "[^.]+")
    return any(re.fullmatch(rf"(.*\.)?{pattern}", path) for path in known)


@pytest.mark.parametrize("path", PAGES, ids=ids(PAGES))
def test_keys_exist(path, known):
    """Code spans that are a key, with its section or its value or an underscore in its name."""
    names = {name for key in known for name in key.split(".")}
    for span in code(path):
        word, colon, value = span.partition(": ")
        word = word.replace("[]", "")
        if span in FOREIGN or word in FOREIGN or not re.fullmatch(r"[a-z_0-9.*]+", word):
            continue
        parts = word.split(".")
        looks_ours = any(part in names for part in parts) if len(parts) > 1 else "_" in word or colon
        if not looks_ours or word in outcomes() or word.startswith("cutover_"):
            continue
        assert is_known(word, known), f"{path.name}: `{span}`"


@pytest.mark.parametrize("path", PAGES, ids=ids(PAGES))
def test_metrics_exist(path):
    sources = "".join(file.read_text() for file in sorted((ROOT / "src").rglob("*.c")))
    for span in code(path):
        if re.fullmatch(r"cutover_[a-z_]+", span):
            assert span in sources or span.removeprefix("cutover_") in sources, f"{path.name}: {span}"


@pytest.mark.parametrize("path", PAGES, ids=ids(PAGES))
def test_files_in_commands_exist(path):
    text = "".join(block[3] for block in blocks(path) if block[1] == "sh")
    for name in re.findall(r"(?<![\w/.-])((?:conf|docker|bench)/[\w.-]+)", text):
        assert (ROOT / name).exists(), f"{path.name}: {name}"


# --- manifests --------------------------------------------------------------------------------


def read_json(name):
    return json.loads((DOCKER / name).read_text())


def kubernetes():
    """{kind: object}; one of each."""
    objects = list(yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text()))
    assert len({thing["kind"] for thing in objects}) == len(objects)
    return {thing["kind"]: thing for thing in objects}


def pod_spec():
    return kubernetes()["Deployment"]["spec"]["template"]["spec"]


def pod_container():
    [container] = pod_spec()["containers"]
    return container


def ecs_container():
    [container] = read_json("ecs-task-definition.json")["containerDefinitions"]
    return container


def validate(value, schema):
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(value, schema, cls=jsonschema.Draft7Validator)


def test_the_ecs_task_definition():
    task = read_json("ecs-task-definition.json")
    validate(task, ECS)
    [container] = task["containerDefinitions"]
    [mount], [volume] = container["mountPoints"], task["volumes"]
    assert mount["sourceVolume"] == volume["name"]
    options = container["logConfiguration"]["options"]
    assert options["mode"] == "non-blocking", "or the log could hold up the proxy"
    assert {"awslogs-group", "awslogs-region", "awslogs-stream-prefix"} <= options.keys()
    assert int(task["memory"]) in {256: (512, 1024, 2048)}[int(task["cpu"])], "Fargate has no such size"


def test_the_lightsail_deployment():
    containers, endpoint = read_json("lightsail-containers.json"), read_json("lightsail-public-endpoint.json")
    validate(containers, LIGHTSAIL_CONTAINERS)
    validate(endpoint, LIGHTSAIL_ENDPOINT)
    assert containers[endpoint["containerName"]]["ports"][str(endpoint["containerPort"])] == "HTTP"
    check = endpoint["healthCheck"]
    assert check["timeoutSeconds"] < check["intervalSeconds"]


@pytest.mark.parametrize("name", KUBERNETES)
def test_the_kubernetes_objects(name):
    validate(kubernetes()[name], KUBERNETES[name])


def test_the_kubernetes_objects_fit_together():
    objects = kubernetes()
    pod = objects["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    [container] = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert {port["targetPort"] for port in objects["Service"]["spec"]["ports"]} == ports - {"admin"}, \
        "the admin port is in no Service"
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == \
        objects["PersistentVolumeClaim"]["metadata"]["name"]
    from_map, from_secret = volumes["config"]["projected"]["sources"]
    assert from_map["configMap"]["name"] == objects["ConfigMap"]["metadata"]["name"]
    assert objects["Deployment"]["spec"]["replicas"] == 1
    assert objects["Deployment"]["spec"]["strategy"]["type"] == "Recreate", "the state is for one process"
    # The secrets that the page tells to make, with the files that the configuration names.
    text = page("running.md")
    assert f"secret generic {from_secret['secret']['name']}" in text
    assert f"secret tls {volumes['tls']['secret']['secretName']}" in text
    config = yaml.safe_load(objects["ConfigMap"]["data"]["cutover.yaml"])
    for path in (config["admin"]["token_file"], config["forwarded"]["secret_file"]):
        assert Path(path).parent == Path(CONFIG_FILE).parent
        assert f"--from-literal={Path(path).name}=" in text


def compose():
    return read_yaml(DOCKER / "compose.yaml")


def test_compose():
    config = compose()
    validate(config, COMPOSE)
    services = config["services"]
    for service in services.values():
        assert set(service.get("secrets", [])) <= set(config["secrets"])
        assert set(service.get("depends_on", {})) <= set(services)
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).resolve().exists()
            assert f"AS {service['build']['target']}\n" in dockerfile()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in config["volumes"]


SLIPS = [
    ("ecs", lambda x: x["containerDefinitions"][0].update(stoptimeout=30)),
    ("ecs", lambda x: x["containerDefinitions"][0].update(stopTimeout=200)),
    ("ecs", lambda x: x["containerDefinitions"][0]["healthCheck"].update(command=["cutover", "healthcheck"])),
    ("ecs", lambda x: x["containerDefinitions"][0]["environment"].append({"name": "A", "value": 1})),
    ("ecs", lambda x: x.pop("executionRoleArn")),
    ("containers", lambda x: x["cutover"].update(power="nano", scale=1)),
    ("containers", lambda x: x["cutover"].update(entryPoint=["sh"])),
    ("containers", lambda x: x["cutover"].update(ports={"8080": "http"})),
    ("endpoint", lambda x: x["healthCheck"].update(successCodes="200-599")),
    ("endpoint", lambda x: x["healthCheck"].update(intervalSeconds=1)),
    ("Deployment", lambda x: x["spec"]["template"]["spec"]["containers"][0].update(fsGroup=1)),
    ("Deployment", lambda x: x["spec"].update(replica=1)),
    ("Deployment", lambda x: x.update(apiVersion="v1")),
    ("Service", lambda x: x["spec"]["ports"][0].update(targetport=1)),
    ("ConfigMap", lambda x: x["data"].update(number=1)),
    ("PersistentVolumeClaim", lambda x: x["spec"].pop("accessModes")),
    ("compose", lambda x: x["services"]["proxy"].update(stop_grace_periode="40s")),
    ("compose", lambda x: x["services"]["proxy"].update(ports=[8080])),
]


@pytest.mark.parametrize("which, slip", SLIPS, ids=[f"{which}-{i}" for i, (which, _) in enumerate(SLIPS)])
def test_the_schemas_refuse_slips(which, slip):
    value, schema = {
        "ecs": (lambda: read_json("ecs-task-definition.json"), ECS),
        "containers": (lambda: read_json("lightsail-containers.json"), LIGHTSAIL_CONTAINERS),
        "endpoint": (lambda: read_json("lightsail-public-endpoint.json"), LIGHTSAIL_ENDPOINT),
        "compose": (compose, COMPOSE),
        **{name: (lambda name=name: kubernetes()[name], schema) for name, schema in KUBERNETES.items()},
    }[which]
    value = copy.deepcopy(value())
    slip(value)
    with pytest.raises(jsonschema.ValidationError):
        validate(value, schema)


# --- Railway ----------------------------------------------------------------------------------

# What Railway's documents list for railway/iac; anything else throws.
RAILWAY = """
const known = (name, keys, given) => {
  for (const key of Object.keys(given)) if (!keys.includes(key)) throw new Error(`${name}: ${key}?`);
  return given;
};
export const image = (name) => ({image: name});
export const preserve = () => ({preserve: true});
export const volume = (name, given) => ({volume: name, ...known('volume', ['region', 'sizeMB'], given)});
export const service = (name, given) => ({service: name, ...known('service', ['source', 'build', 'start',
  'healthcheck', 'healthcheckTimeout', 'replicas', 'env', 'volumeMounts', 'domains'], given)});
export const project = (name, given) => ({project: name, ...known('project', ['resources'], given)});
export const defineRailway = (make) => make({environment: 'production', command: 'plan'});
"""


def railway(folder):
    """The project that docker/railway.ts describes. It is plain JavaScript so far as node is concerned."""
    package = folder / "node_modules" / "railway"
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "railway", "exports": {"./iac": "./iac.mjs"}}))
    (package / "iac.mjs").write_text(RAILWAY)
    shutil.copy(DOCKER / "railway.ts", folder / "railway.mjs")
    done = subprocess.run(["node", "--input-type=module", "-e",
                           "import made from './railway.mjs'; console.log(JSON.stringify(made));"],
                          cwd=folder, text=True, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_railway_project(tmp_path):
    made = railway(tmp_path)
    [service] = [x for x in made["resources"] if "service" in x]
    [volume] = [x for x in made["resources"] if "volume" in x]
    assert service["volumeMounts"] == {STATE_FOLDER: volume}
    assert all(isinstance(value, str) or value == {"preserve": True} for value in service["env"].values())
    assert [str(domain["port"]) for domain in service["domains"]] == [service["env"]["PORT"]]
    assert service["replicas"] == 1 and service["env"]["RAILWAY_RUN_UID"] == "0"
    assert int(service["env"]["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"]) > drain_seconds()
    assert service["healthcheck"] == health_path()
    assert "2026-12-01" in (DOCKER / "railway.ts").read_text()


# --- systemd ----------------------------------------------------------------------------------


def unit():
    """{key: [values]} of all sections."""
    found = {}
    for line in (CONF / "cutover.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def installed_unit(tmp_path):
    """The unit with a program that exists here."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / "cutover.service"
    text = (CONF / "cutover.service").read_text()
    file.write_text(text.replace("/usr/local/sbin/cutover", program("cutover", BUILD)))
    return file


def test_systemd_takes_the_unit(installed_unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(installed_unit)], text=True,
                          capture_output=True, check=False, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "cutover" in line]
    assert done.returncode == 0 and not ours, done.stderr


def test_the_unit_is_closed_to_all_it_does_not_need(installed_unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=19", "--no-pager",
                           str(installed_unit)], text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


def test_the_unit_agrees_with_the_rest():
    values = unit()
    for key in ("ExecStart", "ExecStartPre"):
        assert values[key][0].endswith(f" -c {CONFIG_FILE}")
    assert values["Type"] == ["exec"]
    assert values["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert seconds(values["TimeoutStopSec"][0]) > drain_seconds()
    folders = [f"/var/lib/{name}" for name in values["StateDirectory"][0].split()]
    for sample in SAMPLES:
        config = read_yaml(sample)
        assert str(Path(config["state_file"]).parent) in folders
        assert all(x["acme_webroot"] in folders for x in config["listen"] if "acme_webroot" in x)
    text = page("running.md")
    user = values["User"][0]
    assert values["Group"] == [user] and f"nologin {user} " in text and f"runuser -u {user} " in text
    assert values["ExecStart"][0].split()[0] in text
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert "DESTINATION ${CMAKE_INSTALL_SBINDIR}" in cmake, "cmake --install puts it there"


# --- the image, and facts that stand in many places -------------------------------------------


def dockerfile(stage=None):
    text = (DOCKER / "Dockerfile").read_text()
    if stage is None:
        return text
    [body] = [part for part in re.split(r"(?m)^(?=FROM )", text) if re.match(rf"FROM \S+ AS {stage}\n", part)]
    return re.sub(r"(?m)^#.*\n", "", body).replace("\\\n", " ")


def instruction(stage, name):
    [value] = re.findall(rf"(?m)^{name} +(.*)$", dockerfile(stage))
    return value


def drain_seconds():
    return seconds(yaml.load(reference_text(), Twice)["timeouts"]["drain"])  # noqa: S506 a SafeLoader


def health_path():
    """Where platforms ask the proxy itself on the users' port: as the Lightsail manifest sets it."""
    config = read_json("lightsail-containers.json")["cutover"]["environment"]["CUTOVER_CONFIG"]
    return yaml.safe_load(config.replace("${INITIAL_WEIGHT}", "0"))["listen"][0]["health_path"]


def test_the_image_has_what_it_needs():
    assert "ca-certificates" in dockerfile("runtime").split()
    proxy = dockerfile("proxy")
    assert not re.search(r"(?m)^(EXPOSE|VOLUME)", proxy), "Railway looks at the one and refuses the other"
    kept = re.findall(r"(?m)^!(.*)$", (DOCKER / "Dockerfile.dockerignore").read_text())
    for source in re.findall(r"(?m)^COPY (?!--from)(\S+) ", dockerfile()):
        assert source in kept and (ROOT / source).exists(), source
    assert f"{STATE_FOLDER} {Path(CONFIG_FILE).parent}\n" in proxy
    assert json.loads(instruction("proxy", "CMD")) == ["run", "-c", CONFIG_FILE]
    assert f" {json.loads(instruction('proxy', 'ENTRYPOINT'))[0]}\n" in proxy
    assert os.access(DOCKER / "start.sh", os.X_OK)


def test_the_user_is_the_same_everywhere():
    user, group = instruction("proxy", "USER").split(":")
    assert int(user) >= 1000 and f"-o {user} -g {group} " in dockerfile("proxy")
    security = pod_spec()["securityContext"]
    assert {str(security[key]) for key in ("runAsUser", "runAsGroup", "fsGroup")} == {user} == {group}
    text = page("running.md")
    assert f"user and group {user}" in text and f"as user {user}" in text
    assert user in (DOCKER / "build-check.sh").read_text() and user in (DOCKER / "compose.yaml").read_text()


def test_the_state_is_kept_at_the_same_place_everywhere():
    reference = yaml.load(reference_text(), Twice)  # noqa: S506 a SafeLoader
    assert reference["state_file"] == STATE_FILE
    [mount] = ecs_container()["mountPoints"]
    assert mount == {"sourceVolume": "state", "containerPath": STATE_FOLDER, "readOnly": False}
    pod = pod_container()
    assert {"name": "state", "mountPath": STATE_FOLDER} in pod["volumeMounts"]
    assert f"state:{STATE_FOLDER}" in compose()["services"]["proxy"]["volumes"]
    assert read_yaml(DOCKER / "cutover.yaml")["state_file"] == STATE_FILE


def test_the_configuration_is_at_the_same_place_everywhere():
    run = ["run", "-c", CONFIG_FILE]
    assert ecs_container()["command"] == run
    assert read_json("lightsail-containers.json")["cutover"]["command"] == run
    pod = pod_container()
    assert pod["args"] == run
    folder = str(Path(CONFIG_FILE).parent)
    assert {"name": "config", "mountPath": folder, "readOnly": True} in pod["volumeMounts"]
    assert f"./cutover.yaml:{CONFIG_FILE}:ro" in compose()["services"]["proxy"]["volumes"]


def test_the_health_command_is_the_same_everywhere():
    command = json.loads(re.search(r"CMD (\[.*\])", instruction("proxy", "HEALTHCHECK")).group(1))
    assert command == ["/usr/local/bin/cutover", "healthcheck"]
    assert f"/build/cutover {command[0]}\n" in dockerfile("proxy")
    task = ecs_container()
    assert task["healthCheck"]["command"] == ["CMD", *command]
    pod = pod_container()
    assert pod["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert pod["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    assert read_json("lightsail-public-endpoint.json")["healthCheck"]["path"] == health_path()


def test_whatever_kills_the_proxy_waits_longer_than_it_drains():
    task = ecs_container()
    waits = [task["stopTimeout"], pod_spec()["terminationGracePeriodSeconds"],
             *(seconds(x["stop_grace_period"]) for x in compose()["services"].values())]
    assert min(waits) > drain_seconds()
    for config in (*SAMPLES, DOCKER / "cutover.yaml"):
        assert "drain" not in read_yaml(config).get("timeouts", {}), "these count with the default"


def ports(config):
    """(of users, of the admin API) of a configuration."""
    users = {int(x["address"].rsplit(":", 1)[1]) for x in config["listen"]}
    return users, int(config.get("admin", {}).get("address", "127.0.0.1:9901").rsplit(":", 1)[1])


def test_ports_agree():
    users, admin = ports(read_yaml(CONF / "railway-to-ecs-alb.yaml"))
    task = ecs_container()
    assert {x["containerPort"] for x in task["portMappings"]} == users | {admin}
    text = page("platforms.md")
    assert f"port {admin}, path `/readyz`" in text
    assert all(f"HTTP, port {port}," in text for port in users)

    objects = kubernetes()
    users, admin = ports(yaml.safe_load(objects["ConfigMap"]["data"]["cutover.yaml"]))
    pod = pod_container()
    named = {x["name"]: x["containerPort"] for x in pod["ports"]}
    assert set(named.values()) == users | {admin} and named["admin"] == admin

    containers = read_json("lightsail-containers.json")["cutover"]
    users, _ = ports(yaml.safe_load(containers["environment"]["CUTOVER_CONFIG"]))
    assert {int(port) for port in containers["ports"]} == users

    proxy = compose()["services"]["proxy"]
    users, admin = ports(read_yaml(DOCKER / "cutover.yaml"))
    assert {int(x.rsplit(":", 1)[1]) for x in proxy["ports"]} == users | {admin}


def test_the_load_balancer_in_front_gives_up_before_the_proxy_does():
    idle = int(re.search(r"\| idle timeout \| (\d+) s \|", page("platforms.md")).group(1))
    assert idle < seconds(read_yaml(CONF / "railway-to-ecs-alb.yaml")["timeouts"]["client_idle"])


def test_configurations_inside_of_manifests(made):
    containers = read_json("lightsail-containers.json")["cutover"]
    texts = {"kubernetes": (kubernetes()["ConfigMap"]["data"]["cutover.yaml"], {}),
             "lightsail": (containers["environment"]["CUTOVER_CONFIG"],
                           {"INITIAL_WEIGHT": containers["environment"]["INITIAL_WEIGHT"]})}
    for name, (text, env) in texts.items():
        result = made.check(text, env)
        assert result.returncode == 0, f"{name}: {result.stdout}{result.stderr}"


def test_the_volumes_of_kubernetes_hold_the_files_that_are_named():
    objects = kubernetes()
    config = yaml.safe_load(objects["ConfigMap"]["data"]["cutover.yaml"])
    mounts = [x["mountPath"] for x in pod_container()["volumeMounts"]]
    pair = config["listen"][0]["tls"]
    names = [Path(pair[key]).name for key in ("certificate", "key")]
    assert names == ["tls.crt", "tls.key"], "what a secret of this kind holds"
    for path in (*pair.values(), config["admin"]["token_file"], config["state_file"]):
        assert str(Path(path).parent) in mounts


def variables():
    """{variable: file} of docker/start.sh."""
    return dict(re.findall(r'(?m)^keep "\$\{(\w+)-\}" (\S+)$', (DOCKER / "start.sh").read_text()))


def test_variables_agree():
    known = variables()
    assert set(known) == {"CUTOVER_CONFIG", "CUTOVER_TOKEN", "CUTOVER_EDGE_SECRET"}
    task = ecs_container()
    assert {x["name"] for x in task["secrets"]} == set(known)
    given = {x["name"] for x in task["environment"]}
    given |= set(read_json("lightsail-containers.json")["cutover"]["environment"])
    assert given <= set(known) | {"INITIAL_WEIGHT"}
    text = page("running.md")
    for name, file in known.items():
        assert f"| `{name}` | `{Path(CONFIG_FILE).parent}/{file}` |" in text
    sample = read_yaml(CONF / "railway-to-ecs-alb.yaml")
    files = {f"{Path(CONFIG_FILE).parent}/{file}" for file in known.values()}
    assert {sample["admin"]["token_file"], sample["forwarded"]["secret_file"]} <= files


def start(folder, arguments, **env):
    """Runs docker/start.sh with a program that tells what it was given."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "cutover").write_text('#!/bin/sh\necho "$@"\nenv | grep ^CUTOVER_ | cut -d= -f1 | sort\n')
    (programs / "cutover").chmod(0o755)
    files = folder / "files"
    files.mkdir(exist_ok=True)
    done = subprocess.run([str(DOCKER / "start.sh"), *arguments], text=True, capture_output=True, check=False,
                          env={"PATH": f"{programs}:{os.environ['PATH']}",
                               "CUTOVER_FOLDER": str(files), **env})
    return done, files


def test_start_makes_files_of_variables(tmp_path):
    text = "listen: [{address: 0.0.0.0:8080}]\nname: \"a'b $HOME `x` \\n %s\"\n"
    done, files = start(tmp_path, ["run", "-c", "x y"], CUTOVER_CONFIG=text, CUTOVER_EDGE_SECRET="word")
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["run -c x y", "CUTOVER_FOLDER"], "secrets stay out"
    assert (files / "cutover.yaml").read_text() == text + "\n"
    assert (files / "edge-secret").read_text() == "word\n"
    assert sorted(x.name for x in files.iterdir()) == ["cutover.yaml", "edge-secret"]
    assert all(x.stat().st_mode & 0o077 == 0 for x in files.iterdir())


def test_start_leaves_mounted_files_and_the_clients_token_alone(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "cutover.yaml").write_text("mounted\n")
    done, files = start(tmp_path, ["status"], CUTOVER_CONFIG="", CUTOVER_TOKEN="word")
    assert done.stdout.splitlines() == ["status", "CUTOVER_CONFIG", "CUTOVER_FOLDER", "CUTOVER_TOKEN"]
    assert (files / "cutover.yaml").read_text() == "mounted\n"


def test_start_says_when_it_cannot_write(tmp_path):
    (tmp_path / "files" / "cutover.yaml").mkdir(parents=True)
    done, _ = start(tmp_path, ["run"], CUTOVER_CONFIG="x")
    assert done.returncode == 2 and "cannot write" in done.stderr and not done.stdout


# --- certbot's hook ---------------------------------------------------------------------------


@pytest.fixture
def hook(tmp_path):
    """hook(name): certbot's call for a certificate of that name. .folder: where copies go."""
    authority = Authority(tmp_path / "authority")

    def call(name):
        lineage = tmp_path / "live" / name
        lineage.mkdir(parents=True, exist_ok=True)
        certificate, key = authority.issue([name])
        shutil.copy(certificate, lineage / "fullchain.pem")
        shutil.copy(key, lineage / "privkey.pem")
        call.lineage = lineage
        return subprocess.run([str(CONF / "certbot-hook.sh")], capture_output=True, check=False, env={
            **os.environ, "RENEWED_LINEAGE": str(lineage), "CUTOVER_TLS": str(call.folder)})

    call.folder = tmp_path / "tls"
    call.folder.mkdir()
    return call


def test_the_hook_copies_the_pair(hook):
    for _ in range(2):
        assert hook("www.example.org").returncode == 0
        for name in ("fullchain.pem", "privkey.pem"):
            assert (hook.folder / name).read_text() == (hook.lineage / name).read_text()
            assert (hook.folder / name).stat().st_mode & 0o777 == 0o640
        assert len(list(hook.folder.iterdir())) == 2


def test_the_hook_leaves_other_certificates_alone(hook):
    assert hook("mail.example.org").returncode == 0
    assert not list(hook.folder.iterdir())


def test_the_hook_changes_nothing_when_a_file_is_missing(hook):
    assert hook("www.example.org").returncode == 0
    before = {x.name: x.read_text() for x in hook.folder.iterdir()}
    (hook.lineage / "fullchain.pem").unlink()
    done = subprocess.run([str(CONF / "certbot-hook.sh")], check=False, capture_output=True, env={
        **os.environ, "RENEWED_LINEAGE": str(hook.lineage), "CUTOVER_TLS": str(hook.folder)})
    assert done.returncode != 0
    assert {x.name: x.read_text() for x in hook.folder.iterdir() if x.suffix == ".pem"} == before


def test_the_hook_puts_files_where_the_samples_look():
    text = (CONF / "certbot-hook.sh").read_text()
    folder = re.search(r"CUTOVER_TLS:-([^}]+)", text).group(1)
    for sample in SAMPLES:
        for listener in read_yaml(sample)["listen"]:
            if "tls" in listener:
                pair = {"certificate": f"{folder}/fullchain.pem", "key": f"{folder}/privkey.pem"}
                assert listener["tls"] == pair
