"""cutover check, and what run makes of the same files: all problems at once, with place and advice."""

import os
import re
import socket
import subprocess

import pytest

from certs import Authority
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
    ("timeouts: {tls_handshake: 0}\n", "timeouts.tls_handshake"),
    ("forwarded: {trust: [10.0.0.0/33]}\n", "forwarded.trust[0]"),
    ("initial_weight: 10.555\n", "initial_weight"),
    ("workers: 0\n", "workers"), ("workers: -1\n", "workers"), ("workers: many\n", "workers"),
    ("log: {access: loud}\n", "log.access"),
    ("forwarded: {client_ip_header: X-A, secret_header: x-a}\n", "forwarded.secret_header"),
    ("override: {header: X-A}\nforwarded: {client_ip_header: X-A}\n", "forwarded.client_ip_header"),
    ("routes: [{name: a, path: /a, on_404: new}]\n", "routes[0].on_404"),
    ("routes: [{name: a, path: /a, methods: [POST], on_404: other_side}]\n", "routes[0].on_404"),
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


def server(url, keys=""):
    """A good file whose old side has this server, with more keys in lines of their own."""
    return GOOD.replace("  old: {name: railway, servers: [http://10.0.0.4:3000]}\n",
                        f"  old:\n    servers: [{url}]\n" + "".join(f"    {key}\n" for key in keys.splitlines()))


def listener(*keys):
    """A good file whose listener has these keys too, in lines of their own."""
    return GOOD.replace("127.0.0.1:18080\n", "127.0.0.1:18080\n" + "".join(f"    {key}\n" for key in keys))


@pytest.fixture
def files(tmp_path):
    """Runs check on a text in which {NAME} is one of these files."""
    authority = Authority(tmp_path / "made")
    certificate, key = authority.issue(["www.example.org"])
    _, other_key = authority.issue(["www.example.org"])
    expired, expired_key = authority.issue(["www.example.org"], expired=True)
    names = {"cert": certificate, "key": key, "other_key": other_key, "ca": authority.ca_file,
             "expired": expired, "expired_key": expired_key, "folder": str(tmp_path / "webroot")}
    for name, text in (("locked_key", None), ("text", "no PEM at all\n"), ("empty", ""), ("secret", "hush-hush\n"),
                       ("half", open(certificate).read()[:200])):
        names[name] = str(tmp_path / name)
        if text is not None:
            (tmp_path / name).write_text(text)
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:x", "-out", names["locked_key"]],
                   check=True, capture_output=True)
    os.mkdir(names["folder"])

    def run(text, env=None, verb="check"):
        path = tmp_path / "c.yaml"
        text = text.replace("%s", str(tmp_path))
        for name, value in names.items():
            text = text.replace("{" + name + "}", value)
        path.write_text(text)
        return cli(verb, "-c", str(path), env=env)

    run.names = names
    return run


@pytest.mark.parametrize("text", [
    listener("tls: {certificate: {cert}, key: {key}}"),
    listener("tls:", "  - {certificate: {cert}, key: {key}}", "  - {certificate: {expired}, key: {expired_key}}"),
    listener("proxy_protocol: true", "redirect_https: 443", "acme_webroot: {folder}"),
    listener("tls: null", "proxy_protocol: false", "redirect_https: null", "acme_webroot: null"),
    GOOD.replace("127.0.0.1:18081}", "127.0.0.1:18081, tls: {certificate: {cert}, key: {key}}}"),
    server("https://app.up.railway.app", "tls: {ca_file: {ca}, names: ['*.up.railway.app', a.b]}"),
    server("https://10.0.0.9, http://10.0.0.8", "sni: app.example.org\ntls: {verify: false}"),
    GOOD + "forwarded: {client_ip_header: X-A, secret_file: {secret}}\ntimeouts: {tls_handshake: 1s}\n",
    GOOD + "routes: [{name: a, path: /_next/static/, on_404: other_side}]\n",
])
def test_what_tls_may_say(files, text):
    result = files(text)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("text, line, path, part", [
    (listener("tls: {certificate: {cert}, key: {other_key}}"), 3, "listen[0].tls", "is not that of the first"),
    (listener("tls: {certificate: {cert}, key: {locked_key}}"), 3, "listen[0].tls", "passphrase"),
    (listener("tls: {certificate: {cert}, key: {cert}}"), 3, "listen[0].tls", "no private key"),
    (listener("tls: {certificate: {text}, key: {key}}"), 3, "listen[0].tls", "no certificate"),
    (listener("tls: {certificate: {half}, key: {key}}"), 3, "listen[0].tls", "no certificate"),
    (listener("tls:", "  certificate: {cert}", "  key: /none/of.pem"), 5, "listen[0].tls.key", "No such file"),
    (listener("tls:", "  certificate: {folder}", "  key: {key}"), 4, "listen[0].tls.certificate", "not a plain file"),
    (listener("tls:", "  certificate: {cert}"), 3, "listen[0].tls.key", "missing"),
    (listener("tls:", "  - {certificate: {cert}, key: {key}}", "  - {certificate: {cert}, key: {key}}"), 5,
     "listen[0].tls[1].certificate", "same certificate file"),
    (listener("tls: {cert}"), 3, "listen[0].tls", "{certificate: FILE, key: FILE}"),
    (listener("tls: []"), 3, "listen[0].tls", "empty list"),
    (listener("tls: {certificate: {cert}, key: {key}}", "redirect_https: 443"), 4, "listen[0].redirect_https", "HTTPS"),
    (listener("redirect_https: 18080"), 3, "listen[0].redirect_https", "the address itself"),
    (listener("redirect_https: yes"), 3, "listen[0].redirect_https", "such as 443"),
    (listener("acme_webroot: /none/of/it"), 3, "listen[0].acme_webroot", "No such file or directory"),
    (listener("acme_webroot: {cert}"), 3, "listen[0].acme_webroot", "not a folder"),
    (GOOD.replace("127.0.0.1:18081}", "127.0.0.1:18081, tls: {certificate: {cert}, key: {other_key}}}"), 3,
     "admin.tls", "is not that of the first"),
    (server("http://10.0.0.4", "sni: a.b"), 8, "backends.old.sni", "no server of this side has https://"),
    (server("http://10.0.0.4", "tls: {verify: true}"), 8, "backends.old.tls", "no server of this side has https://"),
    (server("https://10.0.0.4", "tls: {verify: false, ca_file: {ca}}"), 8, "backends.old.tls.verify", "ca_file"),
    (server("https://10.0.0.4", "tls: {verify: false, names: [a.b]}"), 8, "backends.old.tls.verify", "names"),
    (server("https://10.0.0.4", "tls: {ca_file: {text}}"), 8, "backends.old.tls.ca_file", "no certificate"),
    (server("https://10.0.0.4", "tls: {ca_file: {empty}}"), 8, "backends.old.tls.ca_file", "no certificate"),
    (server("https://10.0.0.4", "tls: {ca_file: {half}}"), 8, "backends.old.tls.ca_file", "no certificate"),
    (server("https://10.0.0.4", "tls: {ca_file: /none/ca.pem}"), 8, "backends.old.tls.ca_file", "No such file"),
    (server("https://10.0.0.4", "tls: {ca_file: {ca}, names: ['a.*']}"), 8, "backends.old.tls.names[0]", "a name such as"),
    (server("https://10.0.0.4", "tls: {ca_file: {ca}, names: [*.b.c]}"), 8, "", "must be quoted"),
    (server("https://a:80, http://a", "tls: {ca_file: {ca}}"), 7, "backends.old.servers", "once with http://"),
    (server("https://10.0.0.5:3000", "tls: {ca_file: {ca}}"), 9, "backends.new", "once with http://"),
    (server("https://127.0.0.1:18080", "tls: {ca_file: {ca}}"), 6, "backends", "this proxy itself"),
    (GOOD + "forwarded:\n  secret_file: {secret}\n", 9, "forwarded.secret_file", "client_ip_header"),
    (GOOD + "forwarded:\n  client_ip_header: X-A\n  secret_file: {empty}\n", 10, "forwarded.secret_file", "one word"),
], ids=lambda x: "" if "\n" in str(x) else str(x))
def test_what_is_wrong_with_tls_is_told_where_it_stands(files, text, line, path, part):
    result = files(text)
    assert result.returncode == 2, result.stdout
    found = problems(result)
    assert len(found) == 1, result.stderr
    assert found[0][0] == line and found[0][1] > 0, result.stderr
    assert found[0][2].startswith(f"{path}: " if path else "") and part in found[0][2], result.stderr
    assert files(text, verb="run").returncode == 2, "check and run agree"


def test_a_key_in_a_variable_never_reaches_the_terminal(files):
    secret = open(files.names["key"]).read()
    text = listener("tls: {certificate: {cert}, key: '${THE_KEY}'}")
    for value in (secret, secret.replace("\n", "\\n"), "hunter2"):
        result = files(text, {"THE_KEY": value})
        assert result.returncode == 2 and "${THE_KEY}" in result.stderr
        assert value.splitlines()[1 if "\n" in value else 0][:20] not in result.stdout + result.stderr


def test_a_system_without_authorities(files, tmp_path):
    """What a container without ca-certificates is: said once, with what to install."""
    (tmp_path / "bare").mkdir()
    bare = {"SSL_CERT_FILE": str(tmp_path / "none.pem"), "SSL_CERT_DIR": str(tmp_path / "bare")}
    text = server("https://10.0.0.4").replace("http://10.0.0.5:3000, http://10.0.0.6:3000", "https://10.0.0.5")
    result = files(text, bare)
    assert result.returncode == 2
    assert len(problems(result)) == 1 and "ca-certificates" in result.stderr, result.stderr
    assert files(server("https://10.0.0.4", "tls: {ca_file: {ca}}"), bare).returncode == 0
    assert files(server("https://10.0.0.4", "tls: {verify: false}"), bare).returncode == 0
    bare["SSL_CERT_FILE"] = files.names["ca"]
    assert files(text, bare).returncode == 0


PLAN = """\
plan:
  advance: auto
  steps:
    - {weight: 10, hold: 7d, before: "https://ci.example.org/ready?key=${HOOK_KEY}"}
    - {weight: 100, hold: 14d}
  guard: {window: 5m, every: 30s, on_fail: hold}
log: {emf: 60s}
"""


def test_a_plan(check):
    result = check(check.good + PLAN, {"HOOK_KEY": "hunter2"})
    assert result.returncode == 0 and "hunter2" not in result.stdout + result.stderr, result


@pytest.mark.parametrize("written, instead, line, key, part", [
    ("weight: 100", "weight: 10", 12, "plan.steps[1].weight", 'expected more than "10", the weight of steps[0]'),
    ("weight: 10,", "weight: 0,", 11, "plan.steps[0].weight", "expected more than 0"),
    ("hold: 14d", "hold: 14", 12, "plan.steps[1].hold", "with its unit"),
    ("every: 30s", "every: 10m", 13, "plan.guard.every", "longer than window"),
    ("advance: auto", "advance: yes", 9, "plan.advance", "manual or auto"),
    ("on_fail: hold", "on_fail: pray", 13, "plan.guard.on_fail", "rollback or hold"),
    ("emf: 60s", "emf: 60", 14, "log.emf", "with its unit"),
    ("https://ci", "https://me:hunter2@ci", 11, "plan.steps[0].before", "without user and password"),
    ("https://ci.example.org", "https://ci.example.org:", 11, "plan.steps[0].before", "expected a URL"),
])
def test_a_mistake_in_the_plan_is_one_clear_error(check, written, instead, line, key, part):
    assert written in PLAN
    result = check(check.good + PLAN.replace(written, instead), {"HOOK_KEY": "hunter2"})
    assert result.returncode == 2
    assert len(problems(result)) == 1, result
    assert problems(result)[0][0] == line and problems(result)[0][2].startswith(f"{key}: "), result
    assert part in problems(result)[0][2] and "hunter2" not in result.stdout + result.stderr, result


def test_the_reference_has_every_key_with_its_default():
    """conf/cutover.yaml is valid as it stands, but for what only the operator knows."""
    path = ROOT / "conf" / "cutover.yaml"
    result = cli("check", "-c", str(path), env={"PORT": "8080"})
    assert result.returncode == 0, result
    text = path.read_text()
    for key in ("listen", "admin", "token_file", "state_file", "workers", "initial_weight", "backends", "routes",
                "sticky", "override", "health", "outlier", "failover", "retry", "timeouts", "limits", "forwarded",
                "rewrite", "log", "plan", "on_raise", "replay_bytes", "upstream_idle", "client_ip_header", "tls",
                "proxy_protocol", "redirect_https", "acme_webroot", "sni", "tls_handshake", "secret_file",
                "secret_header", "on_404", "emf", "steps", "guard", "on_fail"):
        assert re.search(rf"\b{key}:", text), key
    for word in ("verify", "ca_file", "names", "other_side", "certbot", "SNI", "[::]"):
        assert word in text, word


SAMPLES = [ROOT / "conf" / "cutover.yaml", *sorted((ROOT / "conf").glob("railway-*.yaml"))]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
def test_the_samples_are_valid(path, tmp_path):
    """Variables get a value; files that they name are made."""
    text = path.read_text()
    values = {"PORT": "18080"}
    for name in set(re.findall(r"(?m)^[^#\n]*?\$\{([A-Z_]+)\}", text)):
        values[name] = "http://127.0.0.1:3000" if "URL" in name else "example.org"
    authority = Authority(tmp_path / "made")
    certificate, key = authority.issue(["www.example.org"])
    (tmp_path / "secret").write_text("a-long-enough-token-for-tests-0123456789\n")
    os.chmod(tmp_path / "secret", 0o600)
    made = {"token_file": tmp_path / "secret", "secret_file": tmp_path / "secret", "acme_webroot": tmp_path,
            "ca_file": authority.ca_file, "key": key}
    for name, file in made.items():
        text = re.sub(rf"(?m)^([^#\n]*\b{name}: *)(?!null)[^\s,}}#]+", rf"\g<1>{file}", text)
    for number, named in enumerate(re.findall(r"(?m)^[^#\n]*\bcertificate: *([^\s,}#]+)", text)):
        own = tmp_path / f"{number}.pem"  # two pairs must not have the same file
        own.write_text(open(certificate).read())
        text = text.replace(f"certificate: {named}", f"certificate: {own}", 1)
    values |= {"SSL_CERT_FILE": authority.ca_file}
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
