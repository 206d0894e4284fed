"""cutover check, and what run makes of the same files: all problems at once, with place and advice."""

import os
import re
import socket

import pytest

from cutover import ROOT, cli

GOOD = """\
listen:
  - address: 127.0.0.1:18080
admin: {address: 127.0.0.1:18081}
state_file: %s/state.json
backends:
  old: {name: railway, servers: [http://10.0.0.4:3000]}
  new: {name: lightsail, servers: [http://10.0.0.5:3000, http://10.0.0.6:3000]}
"""


@pytest.fixture
def check(tmp_path):
    def run(text, env=None, verb="check"):
        path = tmp_path / "c.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return cli(verb, "-c", str(path), env=env)

    run.good = GOOD % tmp_path
    return run


def problems(result):
    """(line, column, text) of each."""
    pattern = re.compile(r"^\S*c\.yaml:(\d+)(?::(\d+))?: error: (.*)$", re.M)
    return [(int(a), int(b or 0), c) for a, b, c in pattern.findall(result.stdout + result.stderr)]


def test_a_good_file(check):
    result = check(check.good)
    assert result.returncode == 0, result


def test_all_problems_at_once_with_their_places(check):
    text = check.good.replace("10.0.0.6:3000", "10.0.0.6:99999").replace("http://10.0.0.5:3000", "10.0.0.5") + (
        "wieght: 3\n"
        "timeouts: {connect: 3, response_header: -1s, drain: 5 parsecs}\n"
        "routes:\n"
        "  - {name: a, path: x, pin: middle}\n"
        "initial_weight: 101\n"
        "failover: sometimes\n")
    result = check(text)
    assert result.returncode == 2
    found = problems(result)
    said = "\n".join(text for _, _, text in found)
    for part in ("wieght", "timeouts.connect", "timeouts.response_header", "timeouts.drain", "routes[0].path",
                 "routes[0].pin", "initial_weight", "failover", "backends.new.servers[0]", "backends.new.servers[1]"):
        assert part in said, part
    assert all(line > 0 and column > 0 for line, column, _ in found)
    assert [x[:2] for x in found] == sorted(x[:2] for x in found), "in file order"
    line = next(line for line, _, text in found if "wieght" in text)
    assert text.splitlines()[line - 1].startswith("wieght")


@pytest.mark.parametrize("wrong, meant", [("backnds", "backends"), ("listn", "listen"), ("timeout", "timeouts")])
def test_unknown_keys_come_with_a_suggestion(check, wrong, meant):
    result = check(check.good + f"{wrong}: {{}}\n")
    assert result.returncode == 2
    assert any(wrong in text and meant in text for _, _, text in problems(result))


@pytest.mark.parametrize("text", [
    "", "\n\n", "# nothing\n", "---\n", "null\n", "[]\n", "just a text\n", "{}\n", "\t\n", "a: b: c\n", "{", "a: [\n",
    "\ufeff", b"\xff\xfe\x00l\x00i", b"\x00\x01\x02\x03", bytes(range(256)), b"\x7fELF" + bytes(1000),
    "[" * 100000, "{a: " * 50000, "- " * 50000, "a: &a [x]\nb: *a\n", "a: !!python/object:os.system x\n",
    "? [complex]\n: key\n", "backends: {}\nbackends: {}\n", "--- \na: 1\n--- \nb: 2\n", "%YAML 9.9\n---\na: 1\n",
], ids=lambda x: repr(x)[:30])
def test_files_that_are_no_configuration(check, text):
    for verb in ("check", "run"):
        result = check(text, verb=verb)
        assert result.returncode == 2, (verb, result)
        assert "error" in result.stdout + result.stderr


def test_an_alias_bomb_is_refused_fast(check):
    text = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    assert check(text).returncode == 2


def test_a_file_that_is_too_large(check):
    assert check(check.good + "# x\n" * 500000).returncode == 2


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        result = cli("check", "-c", str(path))
        assert result.returncode == 2 and str(path) in result.stdout + result.stderr


def test_many_problems_are_bounded(check):
    result = check(check.good + "".join(f"key{i}: 1\n" for i in range(5000)))
    assert result.returncode == 2
    assert len(result.stdout + result.stderr) < 100_000


@pytest.mark.parametrize("add, part", [
    ("admin: {address: 0.0.0.0:9901}\n", "token_file"),
    ("override: {header: X, secret_file: /nowhere/secret}\n", "secret_file"),
    ("admin: {address: 127.0.0.1:18080}\n", "admin"),
    ("sticky: {same_site: none, secure: false}\n", "sticky"),
    ("sticky: {cookie: 'a b'}\n", "sticky.cookie"),
    ("sticky: {identity: [moon]}\n", "sticky.identity"),
    ("sticky: {identity: []}\n", "sticky.identity"),
    ("routes: [{name: a, path: /a, pin: old, weight: 3}]\n", "routes[0]"),
    ("routes: [{name: a, path: /a}, {name: a, path: /b}]\n", "routes[1]"),
    ("routes: [{name: main, path: /a}]\n", "routes[0].name"),
    ("health: {success_codes: 399-200}\n", "health.success_codes"),
    ("limits: {head_bytes: 1}\n", "limits.head_bytes"),
    ("limits: {head_bytes: 99999999999999999999k}\n", "limits.head_bytes"),
    ("timeouts: {connect: 99999999999999999d}\n", "timeouts.connect"),
    ("forwarded: {trust: [10.0.0.0/33]}\n", "forwarded.trust[0]"),
    ("initial_weight: 10.555\n", "initial_weight"),
    ("workers: 0\n", "workers"), ("workers: -1\n", "workers"), ("workers: many\n", "workers"),
    ("log: {access: loud}\n", "log.access"),
])
def test_contradictions_and_values_out_of_range(check, add, part):
    key = add.split(":")[0]
    text = re.sub(rf"^{key}: .*\n", "", check.good, flags=re.M) + add
    result = check(text)
    assert result.returncode == 2, result
    assert any(part in text for _, _, text in problems(result)), result.stdout + result.stderr


def test_the_same_server_on_both_sides(check):
    result = check(check.good.replace("http://10.0.0.4:3000", "http://10.0.0.5:3000"))
    assert result.returncode == 2 and "backends.new" in result.stdout + result.stderr


def test_environment(check):
    text = check.good.replace("http://10.0.0.4:3000", "'${OLD_URL}'").replace("name: railway", "name: '${NAME:-railway}'")
    assert check(text, {"OLD_URL": "http://10.1.1.1:80"}).returncode == 0
    result = check(text)
    assert result.returncode == 2
    assert any("OLD_URL" in text for _, _, text in problems(result))
    result = check(text, {"OLD_URL": "not a url"})
    assert result.returncode == 2 and any("backends.old.servers[0]" in text for _, _, text in problems(result))
    injected = check(text, {"OLD_URL": "http://10.1.1.1:80]\nworkers: 3\n#"})
    assert injected.returncode == 2, "a value stays a value"


def test_listen_follows_port(check):
    text = "".join(check.good.splitlines(True)[2:])
    assert check(text, {"PORT": "18082"}).returncode == 0
    assert check(text).returncode == 2
    assert check(text, {"PORT": "seventy"}).returncode == 2


@pytest.mark.parametrize("add", [
    "plan: {advance: auto}\n", "listen: [{address: 127.0.0.1:18080, tls: {certificate: a.pem, key: b.pem}}]\n",
    "listen: [{address: 127.0.0.1:18080, proxy_protocol: true}]\n", "log: {emf: 60s}\n"])
def test_what_comes_later_is_one_clear_error(check, add):
    text = check.good
    if add.startswith("listen"):
        text = "".join(text.splitlines(True)[2:])
    result = check(text + add)
    assert result.returncode == 2
    assert len(problems(result)) == 1 and "version" in problems(result)[0][2], result


def test_the_reference_has_every_key_with_its_default():
    """conf/cutover.yaml is valid as it stands, but for what only the operator knows."""
    path = ROOT / "conf" / "cutover.yaml"
    result = cli("check", "-c", str(path), env={"PORT": "8080"})
    assert result.returncode == 0, result
    text = path.read_text()
    for key in ("listen", "admin", "token_file", "state_file", "workers", "initial_weight", "backends", "routes",
                "sticky", "override", "health", "outlier", "failover", "retry", "timeouts", "limits", "forwarded",
                "rewrite", "log", "plan", "on_raise", "replay_bytes", "upstream_idle", "client_ip_header"):
        assert re.search(rf"\b{key}:", text), key


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda p: p.name)
def test_the_samples_are_valid(path, tmp_path):
    """Variables get a value; files that they name are made."""
    text = path.read_text()
    values = {"PORT": "18080"}
    for name in set(re.findall(r"(?m)^[^#\n]*?\$\{([A-Z_]+)\}", text)):
        values[name] = "http://127.0.0.1:3000" if "URL" in name else "example.org"
    for folder in re.findall(r"(?m)^[^#\n]*(?:token_file|secret_file): *([^\s,}#]+)", text):
        (tmp_path / "secret").write_text("a-long-enough-token-for-tests-0123456789\n")
        os.chmod(tmp_path / "secret", 0o600)
        text = text.replace(folder, str(tmp_path / "secret"))
    copy = tmp_path / path.name
    copy.write_text(text)
    result = cli("check", "-c", str(copy), env=values)
    assert result.returncode == 0, result.stdout + result.stderr


def test_run_refuses_what_check_refuses(check):
    assert check(check.good + "nonsense: 1\n", verb="run").returncode == 2


def test_run_opens_nothing_when_the_file_is_bad(check):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = check.good.replace("18080", str(taken.getsockname()[1])) + "nonsense: 1\n"
        assert check(text, verb="run").returncode == 2, "the file is judged first"
