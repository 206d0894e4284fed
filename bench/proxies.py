"""The proxies that run.py compares, set up alike, and the origins behind them.

A proxy is started from `w`: its folder, its port, the ports of the two origins, and what the
scenario wants: `log`, `tls` towards clients, `upstream_tls` towards the origins (each a tls.Tls or
None).
"""
import os
import socket
import subprocess
import time

from machine import Failed, free_port
from tls import NAME

ORDER = ["cutover", "nginx", "haproxy", "relay"]


def config_cutover(w):
    log = f"{{access: all, file: {w['dir']}/access.log}}" if w["log"] else "{access: off}"
    scheme, listen_tls, backend_tls = "http", "", ""
    if w["tls"]:
        listen_tls = f", tls: {{certificate: {w['tls'].certificate}, key: {w['tls'].key}}}"
    if w["upstream_tls"]:
        scheme = "https"
        backend_tls = f", sni: {NAME}, tls: {{ca_file: {w['upstream_tls'].certificate}}}"
    return f"""
listen: [{{address: 127.0.0.1:{w['port']}{listen_tls}}}]
admin: {{address: 127.0.0.1:{free_port()}}}
state_file: {w['dir']}/state.json
workers: 1
initial_weight: 30
backends:
  old: {{servers: [{scheme}://127.0.0.1:{w['old']}]{backend_tls}}}
  new: {{servers: [{scheme}://127.0.0.1:{w['new']}]{backend_tls}}}
health: {{path: /health, interval: 5s}}
log: {log}
"""


def nginx_http(folder, log="off"):
    """How every nginx here begins, up to and into `http`, which the caller closes."""
    temp = "".join(f"  {m}_temp_path {folder}/{m};\n"
                   for m in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log {log};
{temp}  keepalive_requests 1000000000;
"""


def nginx_tls(tls):
    return f"""
    ssl_certificate {tls.certificate};
    ssl_certificate_key {tls.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off;
    ssl_session_tickets on;
"""


def nginx_upstream_tls(tls):
    return f"""
      proxy_ssl_protocols TLSv1.2 TLSv1.3;
      proxy_ssl_server_name on;
      proxy_ssl_name {NAME};
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {tls.certificate};
"""


def config_nginx(w):
    log = f"{w['dir']}/access.log" if w["log"] else "off"
    return nginx_http(w["dir"], log) + f"""
  map $cookie_cutover $who {{ "" $request_id; default $cookie_cutover; }}
  split_clients $who $side {{ 30% new; * old; }}
  upstream old {{ server 127.0.0.1:{w['old']}; keepalive 256; keepalive_requests 1000000000; }}
  upstream new {{ server 127.0.0.1:{w['new']}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{w['port']}{' ssl' if w['tls'] else ''};
    {nginx_tls(w['tls']) if w['tls'] else ''}
    location / {{
      proxy_pass {'https' if w['upstream_tls'] else 'http'}://$side;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      {nginx_upstream_tls(w['upstream_tls']) if w['upstream_tls'] else ''}
    }}
  }}
}}
"""


def config_haproxy(w):
    log = "log stdout format raw local0" if w["log"] else ""
    bind_tls = f" ssl crt {w['tls'].both} alpn http/1.1 ssl-min-ver TLSv1.2" if w["tls"] else ""
    server_tls = ""
    if w["upstream_tls"]:
        server_tls = (f" ssl verify required ca-file {w['upstream_tls'].certificate}"
                      f" sni str({NAME}) check-sni {NAME} ssl-min-ver TLSv1.2")
    return f"""
global
  nbthread 1
  maxconn 8192
  tune.ssl.cachesize 0
  {log}
defaults
  mode http
  {'log global' if w['log'] else 'no log'}
  {'option httplog' if w['log'] else ''}
  timeout connect 3s
  timeout client 75s
  timeout server 300s
  option forwardfor
frontend f
  bind 127.0.0.1:{w['port']}{bind_tls}
  default_backend b
backend b
  balance roundrobin
  http-reuse safe
  cookie SRV insert indirect nocache
  option httpchk GET /health
  server old 127.0.0.1:{w['old']} weight 70 cookie old check inter 5s{server_tls}
  server new 127.0.0.1:{w['new']} weight 30 cookie new check inter 5s{server_tls}
"""


def config_tls_origins(folder, ports, tls):
    """nginx as both origins, each with TLS and without. The body tells what was negotiated, so that
    one request through a proxy shows it."""
    ciphers = (f"ssl_conf_command Ciphersuites {tls.cipher};" if tls.version == "1.3"
               else f"ssl_ciphers {tls.cipher};")
    servers = "".join(f"""
  server {{
    listen 127.0.0.1:{ports[name]};
    listen 127.0.0.1:{ports[name + '-tls']} ssl;
    ssl_certificate {tls.certificate};
    ssl_certificate_key {tls.key};
    ssl_protocols TLSv{tls.version};
    {ciphers}
    ssl_ecdh_curve X25519:prime256v1;
    location / {{
      add_header X-Backend {name};
      return 200 "$ssl_protocol $ssl_cipher\\n";
    }}
  }}
""" for name in ("old", "new"))
    return nginx_http(folder) + "  keepalive_timeout 1h;\n" + servers + "}\n"


def write_conf(folder, text):
    path = os.path.join(folder, "conf")
    with open(path, "w") as f:
        f.write(text)
    return path


def command(name, w, programs):
    """The command line of a proxy, after writing its configuration."""
    program = programs[name]
    if name == "relay":
        return [program, str(w["port"]), f"127.0.0.1:{w['old']}", f"127.0.0.1:{w['new']}"]
    config = {"cutover": config_cutover, "nginx": config_nginx, "haproxy": config_haproxy}[name]
    conf = write_conf(w["dir"], config(w))
    if name == "cutover":
        return [program, "run", "-c", conf]
    if name == "nginx":
        return [program, "-p", w["dir"], "-c", conf, "-e", w["dir"] + "/error.log"]
    return [program, "-db", "-f", conf]


def connect(port, tls, timeout):
    s = socket.create_connection(("127.0.0.1", port), timeout)
    try:
        return tls.client().wrap_socket(s, server_hostname=NAME) if tls else s
    except OSError:
        s.close()
        raise


def get_once(port, tls):
    """The whole answer of `GET /` as text."""
    with connect(port, tls, 1) as s:
        s.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        text = b""
        while part := s.recv(4096):
            text += part
    return text.decode(errors="replace")


def wait_ready(child, name, port, tls, log):
    """What it answers, once it does."""
    until = time.monotonic() + 15
    answer = ""
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        try:
            answer = get_once(port, tls)
            if answer.startswith("HTTP/1.1 200"):
                return answer
        except OSError as e:
            answer = str(e)
        time.sleep(0.05)
    with open(log, errors="replace") as f:
        tail = f.read()[-1500:]
    raise Failed(f"{name} does not answer as it should ({answer[:100]!r}); it said:\n{tail}")


def start(children, name, wanted, origins, programs, root, core):
    """`wanted`: log, tls and upstream_tls of `w`. The relay knows no TLS and is given none: plain
    connections, to the same origins, so that it stays the yardstick."""
    folder = os.path.join(root, name)
    os.mkdir(folder)
    w = {"dir": folder, "port": free_port(), **wanted}
    if name == "relay":
        w["tls"] = w["upstream_tls"] = None
    suffix = "-tls" if w["upstream_tls"] else ""
    w["old"], w["new"] = origins["old" + suffix], origins["new" + suffix]
    out = os.path.join(folder, "output")
    with open(out, "wb") as f:
        child = children.start(command(name, w, programs), core, stdout=f, stderr=f)
    answer = wait_ready(child, name, w["port"], w["tls"], out)
    return {"name": name, "child": child, "port": w["port"], "tls": w["tls"],
            "upstream_tls": w["upstream_tls"], "said": answer.partition("\r\n\r\n")[2].strip()}


def start_origins(children, program, core):
    ports = {}
    for name in ("old", "new"):
        child = children.start([program, "--name", name, "--listen", "127.0.0.1:0"], core,
                               stdout=subprocess.PIPE)
        line = child.stdout.readline().decode()
        if ":" not in line:
            raise Failed("cutover-origin did not start")
        ports[name] = int(line.rsplit(":", 1)[1])
    return ports


def start_tls_origins(children, nginx, tls, root, core):
    folder = os.path.join(root, "origins")
    os.mkdir(folder)
    ports = {name: free_port() for name in ("old", "new", "old-tls", "new-tls")}
    conf = write_conf(folder, config_tls_origins(folder, ports, tls))
    out = os.path.join(folder, "output")
    with open(out, "wb") as f:
        child = children.start([nginx, "-p", folder, "-c", conf, "-e", folder + "/error.log"],
                               core, stdout=f, stderr=f)
    wait_ready(child, "nginx as origin", ports["old-tls"], tls, out)
    return ports, child
