"""TLS for run.py: one certificate for all, and clients that leave no choice.

What is negotiated is the client's doing: it offers one version, one cipher, one group and one kind
of signature, by way of OPENSSL_CONF, which wrk and bench-tls-load heed as all programs of OpenSSL
do. So the proxies stand as their users would have them, and still do the same work; check_same()
makes sure of it.
"""
import json
import os
import ssl
import subprocess

from machine import Failed

NAME = "localhost"
NEW_KEY = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
           "rsa": ["-newkey", "rsa:2048"]}
CIPHER_12 = {"ecdsa": "ECDHE-ECDSA-AES128-GCM-SHA256", "rsa": "ECDHE-RSA-AES128-GCM-SHA256"}
CIPHER_13 = "TLS_AES_128_GCM_SHA256"
# 1.2 knows one list for the exchange and for the certificate's curve.
GROUPS = {"1.2": "X25519:P-256", "1.3": "X25519"}
SIGNATURE = {"ecdsa": "ECDSA+SHA256", "rsa": "RSA-PSS+SHA256"}

# The machine's own openssl.cnf plays no part.
NEW_CERTIFICATE = f"""
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = {NAME}
[extensions]
subjectAltName = DNS:{NAME}, IP:127.0.0.1
basicConstraints = critical, CA:TRUE
"""

CLIENT = """
openssl_conf = settings
[settings]
ssl_conf = ssl
[ssl]
system_default = all
[all]
MinProtocol = TLSv{version}
MaxProtocol = TLSv{version}
Ciphersuites = {cipher_13}
CipherString = {cipher_12}
Groups = {groups}
SignatureAlgorithms = {signature}
"""


class Tls:
    """`kind`: of the certificate, "ecdsa" or "rsa"; `version`: "1.2" or "1.3"."""

    def __init__(self, folder, kind, version):
        self.version = version
        self.cipher = CIPHER_13 if version == "1.3" else CIPHER_12[kind]
        self.certificate = os.path.join(folder, "certificate.pem")
        self.key = os.path.join(folder, "key.pem")
        self.both = os.path.join(folder, "both.pem")
        self._make(folder, kind)
        client = os.path.join(folder, "client.cnf")
        with open(client, "w") as f:
            f.write(CLIENT.format(version=version, cipher_13=CIPHER_13, cipher_12=CIPHER_12[kind],
                                  groups=GROUPS[version], signature=SIGNATURE[kind]))
        self.env = {"OPENSSL_CONF": client}

    def _make(self, folder, kind):
        settings = os.path.join(folder, "certificate.cnf")
        with open(settings, "w") as f:
            f.write(NEW_CERTIFICATE)
        try:
            made = subprocess.run(
                ["openssl", "req", "-x509", "-config", settings, *NEW_KEY[kind], "-nodes",
                 "-days", "30", "-keyout", self.key, "-out", self.certificate],
                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        except FileNotFoundError:
            raise Failed("openssl not found: package openssl") from None
        if made.returncode:
            raise Failed("openssl makes no certificate:\n" + made.stderr)
        with open(self.both, "w") as out:
            for part in (self.certificate, self.key):
                with open(part) as f:
                    out.write(f.read())

    def client(self):
        """For the connections that run.py makes itself."""
        made = ssl.create_default_context(cafile=self.certificate)
        version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[self.version]
        made.minimum_version = made.maximum_version = version
        return made


def check_same(proxies, program, tls):
    """What every proxy negotiates with the client, in words; Failed when they differ."""
    seen = {}
    for p in proxies:
        if not p["tls"]:
            continue
        run = subprocess.run([program, "--count", "1", "--name", NAME, f"127.0.0.1:{p['port']}"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             env={**os.environ, **tls.env})
        if run.returncode:
            raise Failed(f"{p['name']}: no TLS connection: {run.stderr}")
        got = json.loads(run.stdout)
        seen[p["name"]] = ", ".join(str(got[k]) for k in
                                    ("version", "cipher", "group", "key", "signature"))
    if len(set(seen.values())) > 1:
        raise Failed("not the same TLS, so nothing to compare:\n" +
                     "\n".join(f"  {name}: {what}" for name, what in seen.items()))
    return next(iter(seen.values()), None)
