"""What stands between the proxy and the applications: the platforms' edges, as nginx servers that
behave as platforms are documented to (docs/platforms.md, "What each edge does to a request").

    edge = RailwayEdge(folder, application, authority, "app.up.railway.app", ["www.example.test"])
    edge.port, edge.plain_port          https, and http
    edge.detach("www.example.test")     Railway has never heard of it
    LightsailEdge(...)                  a container service: its own name and what is enabled
    AlbEdge(...)                        an Application Load Balancer
    SiteNginx(folder, text)             an nginx as somebody configured it

Each asks the applications over plain HTTP. `quiet` is how long an edge keeps a connection on which
nothing happens. All of them also serve what SERVED has, as part of the application.
"""

import os
import shutil
from pathlib import Path

from cutover import Process, Recorder, Server, free_port, wait_for_port

# Where an edge's own requests come from, so that no address stands for two.
RAILWAY_EDGE_ADDRESS = "162.220.232.17"

MAIN = """\
{user}daemon off;
pid {folder}/pid;
error_log {folder}/error.log info;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server_tokens off;
    ssl_protocols TLSv1.2 TLSv1.3;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""

# Hashed files of one build each, and a cookie for the host that the application was asked for.
SERVED = """\
        location /assets/ { root %(folder)s/files; }
        location = /domain-cookie {
            add_header Set-Cookie "basket=full; Domain=$host; Path=/";
            return 204;
        }
"""

APPLICATION = """\
    map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
    upstream application { server %(application)s; keepalive 32; keepalive_timeout 30s; }
"""

# Nothing is held back in either direction, and nothing is limited.
PASS = """\
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_read_timeout %(patience)s;
"""

RAILWAY = """\
    map $ssl_server_name $shown { default wildcard; %(domains)s }
    map $msec $start_ms { ~^(\\d+)\\.(\\d+)$ $1$2; }
    server {
        # Whoever names nobody gets nothing; all others are shown at least the wildcard.
        listen 127.0.0.1:%(port)d ssl default_server;
        ssl_reject_handshake on;
    }
    server {
        listen 127.0.0.1:%(port)d ssl;
        server_name ~.;
        ssl_certificate %(folder)s/shown/$shown.crt;
        ssl_certificate_key %(folder)s/shown/$shown.key;
        keepalive_timeout %(quiet)s;
        keepalive_requests 10000;
        client_header_buffer_size 32k;
        large_client_header_buffers 1 32k;
        client_max_body_size 0;
        if (!-f %(folder)s/known/$host) { return 418; }
        error_page 418 = @unknown;
        error_page 502 504 = @failed;
        location @unknown {
            default_type application/json;
            add_header x-railway-fallback true always;
            add_header x-railway-edge railway/iad1 always;
            return 404 '{%(page)s,"code":404,"message":"Application not found"}';
        }
        location @failed {
            default_type application/json;
            add_header x-railway-fallback true always;
            add_header x-railway-edge railway/iad1 always;
            return 502 '{%(page)s,"code":502,"message":"Application failed to respond"}';
        }
%(served)s
        location / {
%(pass)s
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For "$remote_addr, %(edge_address)s";
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Railway-Edge railway/iad1;
            proxy_set_header X-Railway-Request-Id $request_id;
            proxy_set_header X-Request-Start $start_ms;
            add_header x-railway-edge railway/iad1 always;
        }
    }
    server {
        listen 127.0.0.1:%(plain_port)d;
        return 301 https://$host$request_uri;
    }
"""

RAILWAY_PAGE = '"status":"error","request_id":"$request_id"'

LIGHTSAIL = """\
    server {
        listen 127.0.0.1:%(port)d ssl;
        ssl_certificate %(certificate)s;
        ssl_certificate_key %(key)s;
        keepalive_timeout %(quiet)s;
        large_client_header_buffers 4 32k;
        client_max_body_size 0;
        default_type text/html;
        if (!-f %(folder)s/known/$host) { return 404 "<h1>404 No Such Service</h1>"; }
        if (-f %(folder)s/disabled) { return 503; }
%(served)s
        location / {
%(pass)s
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Port 443;
        }
    }
    server {
        listen 127.0.0.1:%(plain_port)d;
        return 301 https://$host$request_uri;
    }
"""

ALB = """\
    upstream pages { server %(pages)s; }
    map $http_x_amzn_trace_id $trace_id { default $http_x_amzn_trace_id; "" "Root=1-$request_id"; }
    server {
        listen 127.0.0.1:%(port)d ssl;
        ssl_certificate %(certificate)s;
        ssl_certificate_key %(key)s;
        keepalive_timeout %(quiet)s;
        client_header_buffer_size 16k;
        large_client_header_buffers 4 16k;
        client_max_body_size 0;
        if (-f %(folder)s/without-targets) { return 503; }
        error_page 502 = @502;
        error_page 503 = @503;
        error_page 504 = @504;
        location @502 { rewrite ^ /502 break; %(page)s }
        location @503 { rewrite ^ /503 break; %(page)s }
        location @504 { rewrite ^ /504 break; %(page)s }
%(served)s
        location / {
%(pass)s
            proxy_bind %(source)s;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Port 443;
            proxy_set_header X-Amzn-Trace-Id $trace_id;
        }
    }
    server {
        listen 127.0.0.1:%(plain_port)d;
        return 301 https://$host:443$request_uri;
    }
"""

# nginx cannot put another name than its own into Server, so somebody else writes these.
ALB_PAGE = "proxy_pass http://pages; proxy_method GET; proxy_pass_request_body off; " \
           "proxy_set_header Content-Length \"\"; proxy_pass_header Server;"
ALB_TEXTS = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}


class Edge(Server):
    """nginx in the foreground, as this user. `http` is what stands in its http block."""

    def __init__(self, folder, http):
        self.folder = Path(folder)
        user = "user root;\n" if os.geteuid() == 0 else ""
        file = self.folder / "nginx.conf"
        file.write_text(MAIN.format(user=user, folder=self.folder, http=http))
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = Process([nginx, "-c", str(file), "-p", str(self.folder), "-e",
                                str(self.folder / "error.log")])
        wait_for_port(self, self.process)

    @property
    def running(self):
        return self.process.running

    def stop(self):
        return self.process.end()

    def left(self):
        """How many connections, kept but quiet, were ended by those who had made them. It does not
        write down those that it ends itself."""
        return (self.folder / "error.log").read_text().count("closed keepalive connection")

    def serve(self, path, text):
        """A file of the application's build."""
        file = self.folder / "files" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


class Platform(Edge):
    """With a folder, two ports, and the names that it has heard of."""

    def __init__(self, folder, application, text, names=(), quiet="60s", patience="300s",
                 served=SERVED, **more):
        self.folder = Path(folder)
        self.known = self.folder / "known"
        self.known.mkdir(parents=True)
        self.port, self.plain_port = free_port(), free_port()
        for name in names:
            self.attach(name)
        facts = {"folder": self.folder, "port": self.port, "plain_port": self.plain_port,
                 "application": application.authority, "quiet": quiet, "patience": patience}
        facts |= {"served": served % facts, "pass": PASS % facts, **more}
        super().__init__(folder, APPLICATION % facts + text % facts)

    def attach(self, name):
        (self.known / name).touch()

    def detach(self, name):
        (self.known / name).unlink()


class RailwayEdge(Platform):
    """`name`: its own for the service; `domains`: the custom ones. For those it shows certificates
    of their own, or, with `has_certificates=False`, its wildcard, as while one is being renewed."""

    def __init__(self, folder, application, authority, name, domains=(), has_certificates=True, **how):
        folder = Path(folder)
        (folder / "shown").mkdir(parents=True)
        shown = {"wildcard": ["*.up.railway.app"]}
        if has_certificates:
            shown |= {domain: [domain] for domain in domains}
        for file, names in shown.items():
            for made, suffix in zip(authority.issue(names), ("crt", "key")):
                shutil.copy(made, folder / "shown" / f"{file}.{suffix}")
        super().__init__(folder, application, RAILWAY, [name, *domains],
                         edge_address=RAILWAY_EDGE_ADDRESS, page=RAILWAY_PAGE,
                         domains=" ".join(f"{x} {x};" for x in shown if x != "wildcard"), **how)


class LightsailEdge(Platform):
    """`name`: its default domain; `domains`: the custom ones that are enabled."""

    def __init__(self, folder, application, authority, name, domains=(), **how):
        certificate, key = authority.issue([name, *domains])
        super().__init__(folder, application, LIGHTSAIL, [name, *domains], certificate=certificate,
                         key=key, **how)

    def disable(self):
        (self.folder / "disabled").touch()


class AlbEdge(Platform):
    """Its certificate is for the public names; it never has one for its own. Any Host will do.
    `source` is its own address, from which it asks the targets."""

    def __init__(self, folder, application, authority, domains, source="127.0.0.1", patience="60s", **how):
        certificate, key = authority.issue(domains)
        self.pages = Recorder(self.page)
        super().__init__(folder, application, ALB, certificate=certificate, key=key, source=source,
                         pages=self.pages.authority, page=ALB_PAGE, patience=patience, **how)

    @staticmethod
    def page(head, _connection):
        status = int(head.split(b" ")[1][1:])
        what = f"{status} {ALB_TEXTS[status]}"
        body = f"<html>\r\n<head><title>{what}</title></head>\r\n<body>\r\n<center><h1>{what}</h1>" \
               "</center>\r\n</body>\r\n</html>\r\n"
        return f"HTTP/1.1 {what}\r\nServer: awselb/2.0\r\nContent-Type: text/html\r\n" \
               f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()

    def deregister(self):
        """It has no target any more."""
        (self.folder / "without-targets").touch()

    def stop(self):
        code = super().stop()
        self.pages.stop()
        return code


class SiteNginx(Edge):
    """Somebody's own configuration. `changes`: what it says that cannot be so here; each must be in
    the text. The first port of `listen` in it is `port`."""

    def __init__(self, folder, text, changes, port):
        folder = Path(folder)
        folder.mkdir(parents=True)
        self.port = port
        changes = {**changes, "    location / {": SERVED % {"folder": folder} + "    location / {"}
        for old, new in changes.items():
            assert old in text, f"{old!r} is not in the configuration"
            text = text.replace(old, new)
        super().__init__(folder, text)
