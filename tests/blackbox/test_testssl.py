"""testssl.sh on a listener with TLS: nothing that it finds may be worse than LOW.

The certificates are the test's own, so what it says of who vouches for them does not count. The
security headers are the application's, which stands behind.

Left out is only what rates nothing: the simulation of clients (-c) and the list of all ciphers (-e,
whose kinds -s has). Three processes take half of the time of one.
"""

import json
import shutil

import pytest

from certs import Authority
from cutover import Nginx, Process, Proxy, free_port

HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}

# Weaknesses; protocols, kinds of ciphers, the application's headers; certificates, forward secrecy,
# preferences. Each with findings by which it is seen that it was looked for.
PARTS = {
    ("-U",): ["heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_renego", "secure_client_renego", "CRIME_TLS",
              "BREACH", "POODLE_SSL", "fallback_SCSV", "SWEET32", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13",
              "RC4"],
    ("-p", "-s", "-h"): ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "ALPN", "cipherlist_NULL",
                         "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_LOW", "cipherlist_3DES_IDEA",
                         "cipherlist_AVERAGE", "cipherlist_STRONG", "HSTS_time"],
    ("-S", "-f", "-P"): ["cert_numbers", "sessionresumption_ID", "PFS", "PFS_ECDHE_curves", "cipher_order",
                         "protocol_negotiated", "cipher_negotiated"],
}

RATED = ("OK", "INFO", "LOW")

# No CRL and no OCSP: the authority's business. No GOST: in the openssl that testssl uses. And that one
# hangs up right after the handshake, mostly before a ticket of TLS 1.3 can reach it.
KNOWN = ("cert_revocation", "engine_problem", "sessionresumption_ticket")


class Scan:
    """One run, of some of its parts."""

    def __init__(self, folder, authority, port, parts):
        self.file = folder / f"{''.join(parts)}.json"
        binary = shutil.which("testssl") or shutil.which("testssl.sh")
        assert binary, "the package testssl.sh is not installed"
        self.process = Process([binary, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none",
                                "--add-ca", authority.ca_file, "--jsonfile", str(self.file), "--ip", "127.0.0.1",
                                *parts, f"https://localhost:{port}/"])

    def findings(self):
        """[{"id", "severity", "finding", ...}]"""
        self.process.wait(300)
        assert self.file.exists(), self.process.lines()
        return json.loads(self.file.read_text())

    def stop(self):
        self.process.end()


@pytest.fixture
def listener(start, tmp_path):
    """The port of one with an RSA and an ECDSA certificate for the same name, and their authority."""
    authority = Authority(tmp_path / "certs", key="rsa")
    pairs = [authority.issue(["localhost"], days=120, key=key) for key in ("ec", "rsa")]
    added = "".join(f'add_header {name} "{value}" always;' for name, value in HEADERS.items())
    sides = [start(Nginx, tmp_path / side, f'location / {{ {added} return 200 "hello"; }}') for side in ("a", "b")]
    plain, port = free_port(), free_port()
    proxy = start(Proxy, *sides, {"listen": [
        {"address": f"127.0.0.1:{plain}"},
        {"address": f"127.0.0.1:{port}", "tls": [{"certificate": c, "key": k} for c, k in pairs]}]})
    proxy.port = plain
    return port, authority


@pytest.mark.slow
def test_nothing_worse_than_low(start, tmp_path, listener):
    port, authority = listener
    runs = {parts: start(Scan, tmp_path, authority, port, parts) for parts in PARTS}
    for parts, looked_for in PARTS.items():
        found = runs[parts].findings()
        names = {x["id"] for x in found}
        assert not [x for x in found if x["severity"] not in RATED and not x["id"].startswith(KNOWN)]
        assert not set(looked_for) - names, "was not looked for"
        if "cert_numbers" in names:
            assert [x["finding"] for x in found if x["id"] == "cert_numbers"] == ["2"], "both were seen"
