"""Certificates for tests, made while they run with the openssl command.

    authority = Authority(folder)                    an authority that nobody else knows
    authority.ca_file                                its certificate, for those who trust it
    authority.issue(["a.example", "*.b.example"])    -> (certificate file, key file), PEM
    authority.issue([], ips=["127.0.0.1"], expired=True)
    authority.intermediate().issue(["a.example"])    the file then holds the chain as well
    self_signed(folder, ["a.example"])               nobody vouches for it

Every call makes new files; none is ever written again. `key` is "ec" (P-256; 20 ms), "rsa" (2048
bits; slower) or "ed25519". The time runs from an hour ago for `days` from now (a fraction will do);
`expired` ended a day ago, `not_yet` begins in a day.
"""

import datetime
import itertools
import re
import subprocess
import tempfile
from pathlib import Path

NEW_KEY = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
    "ed25519": ["-newkey", "ed25519"],
}

# The machine's own openssl.cnf plays no part. `openssl ca`, since no other verb of OpenSSL 3.0
# takes both ends of the time.
SETTINGS = """
[req]
distinguished_name = dn
[dn]
[ca]
default_ca = here
[here]
database = {scratch}/index
new_certs_dir = {scratch}
default_md = default
policy = any
preserve = yes
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
[extensions]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{extensions}
"""

AUTHORITY = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign"
SERVER = "basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n" \
         "extendedKeyUsage = serverAuth\nsubjectAltName = {names}"

_numbers = itertools.count(1)


class Authority:
    """`parent` makes it an intermediate one; see intermediate()."""

    def __init__(self, folder, name="Test Authority", key="ec", days=3650, parent=None):
        self.folder, self.parent = Path(folder), parent
        self.certificate, self.key = _make(self.folder, name, AUTHORITY, key, days, parent)
        self.ca_file = parent.ca_file if parent else self.certificate

    def intermediate(self, name="Test Intermediate", key="ec"):
        """An authority below this one: those who trust this one trust its certificates."""
        return Authority(self.folder, name, key, parent=self)

    def issue(self, names, ips=(), days=30, key="ec", expired=False, not_yet=False, chain=True):
        """A server's certificate for DNS names and addresses. Without `chain` the file leaves out
        the intermediate authorities."""
        certificate, key_file = _make(self.folder, *_server(names, ips), key, days, self,
                                      expired, not_yet)
        if chain:
            with open(certificate, "a") as file:
                for above in self._intermediates():
                    file.write(Path(above.certificate).read_text())
        return certificate, key_file

    def _intermediates(self):
        authority = self
        while authority.parent:
            yield authority
            authority = authority.parent


def self_signed(folder, names, ips=(), days=30, key="ec", expired=False, not_yet=False):
    """A server's certificate that is its own authority: (certificate file, key file)."""
    return _make(Path(folder), *_server(names, ips), key, days, None, expired, not_yet)


def _server(names, ips):
    names = [names] if isinstance(names, str) else list(names)
    ips = [ips] if isinstance(ips, str) else list(ips)
    listed = [f"DNS:{name}" for name in names] + [f"IP:{ip}" for ip in ips]
    return (names + ips)[0], SERVER.format(names=", ".join(listed))


def _time(expired, not_yet, days):
    """(first, last) as ASN.1 has it."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day, length = datetime.timedelta(days=1), datetime.timedelta(days=days)
    first, last = now - datetime.timedelta(hours=1), now + length
    if expired:
        first, last = now - day - length, now - day
    if not_yet:
        first, last = now + day, now + day + length
    return [moment.strftime("%Y%m%d%H%M%SZ") for moment in (first, last)]


def _make(folder, name, extensions, key, days, signer, expired=False, not_yet=False):
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{next(_numbers):03}-{re.sub(r'[^a-z0-9.-]+', '_', name.lower())[:40]}"
    certificate, key_file = f"{stem}.crt", f"{stem}.key"
    first, last = _time(expired, not_yet, days)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        settings, request = f"{scratch}/settings", f"{scratch}/request"
        Path(settings).write_text(SETTINGS.format(scratch=scratch, extensions=extensions))
        Path(f"{scratch}/index").touch()
        _openssl("req", "-new", "-config", settings, *NEW_KEY[key], "-nodes", "-keyout", key_file,
                 "-out", request, "-subj", f"/CN={name[:64]}")
        sign = ["-cert", signer.certificate, "-keyfile", signer.key] if signer else \
               ["-selfsign", "-keyfile", key_file]
        _openssl("ca", "-batch", "-notext", "-config", settings, *sign,
                 "-extensions", "extensions", "-startdate", first, "-enddate", last,
                 "-in", request, "-out", certificate)
    return certificate, key_file


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if done.returncode:
        raise AssertionError(f"openssl {arguments[0]} failed:\n{done.stderr}")
