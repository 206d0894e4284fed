"""What a browser does, as far as it matters to an application behind a proxy: it keeps cookies and
a connection, follows redirects, sends Origin and Referer, and opens WebSockets with its cookies.

    browser = Browser(proxy.address, "https://app.example.test", edge=EDGE)
    browser.get("/login")                       a Page; .url is where it ended
    browser.submit({"user": "ada"})             the form of that page, with its hidden fields
    with browser.socket("/ws") as socket:
        socket.ask("hello")

The origin is what the user sees; the address is where its connections really go.
"""

import asyncio
import http.client
import http.cookiejar
import json
import re
import ssl
import urllib.parse
import urllib.request

import websockets

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5

# The keyword changed with the library's new client.
IS_NEW_CLIENT = int(websockets.__version__.split(".")[0]) >= 14
WS_HEADERS = "additional_headers" if IS_NEW_CLIENT else "extra_headers"


class Astray(AssertionError):
    """A redirect led away from the origin, or in a circle."""


class Page:
    def __init__(self, url, response):
        self.url, self.status, self.headers = url, response.status, response.headers
        self.body = response.read()

    @property
    def path(self):
        return urllib.parse.urlsplit(self.url).path

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        assert self.status == 200, self
        return json.loads(self.body)

    @property
    def side(self):
        return self.headers["X-Backend"]

    def hidden(self):
        """The hidden fields of its form."""
        return dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', self.text))

    def __repr__(self):
        return f"<{self.url} {self.status} {self.text[:300]}>"


class Browser:
    def __init__(self, address, origin, edge=None, ca_file=None, source=None):
        """`edge`: headers that somebody between it and the proxy adds. With `ca_file` it speaks TLS
        to the address; without, whoever adds them ended it. `source`: its own address."""
        self.address, self.origin = address, origin
        self.source = (source, 0) if source else None
        self.host = urllib.parse.urlsplit(origin).netloc
        self.name = self.host.split(":")[0]
        self.edge = dict(edge or {})
        self.tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self.jar = http.cookiejar.CookieJar()
        self.connection = None
        self.page = None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def cookie(self, name):
        """Its value, or None."""
        return next((cookie.value for cookie in self.jar if cookie.name == name), None)

    # --- pages

    def get(self, path, headers=None, follow=True):
        return self.open("GET", path, None, headers, follow)

    def post(self, path, body, kind, headers=None):
        referer = self.page.url if self.page else self.origin + "/"
        from_page = {"Origin": self.origin, "Referer": referer}
        return self.open("POST", path, body,
                         {"Content-Type": kind, **from_page, **(headers or {})})

    def submit(self, fields, headers=None):
        """The form of the page it is on."""
        data = urllib.parse.urlencode({**self.page.hidden(), **fields})
        return self.post(self.page.path, data, "application/x-www-form-urlencoded", headers)

    def upload(self, path, field, name, data, headers=None):
        mark = "----0123456789"
        head = f"--{mark}\r\n" \
               f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n' \
               "Content-Type: application/octet-stream\r\n\r\n"
        body = head.encode() + data + f"\r\n--{mark}--\r\n".encode()
        return self.post(path, body, f"multipart/form-data; boundary={mark}", headers)

    def open(self, method, path, body=None, headers=None, follow=True):
        url = self.origin + path
        for _ in range(MOST_REDIRECTS):
            page = self._ask(method, url, body, headers)
            if not follow or page.status not in REDIRECTS:
                self.page = page
                return page
            url = urllib.parse.urljoin(url, page.headers["Location"])
            if not url.startswith(self.origin + "/"):
                raise Astray(f"{page} leads to {url}")
            if page.status < 307:
                method, body, headers = "GET", None, None
        raise Astray(f"too many redirects, the last to {url}")

    def _ask(self, method, url, body, headers):
        request = urllib.request.Request(url)  # what the jar wants to see
        self.jar.add_cookie_header(request)
        cookies = request.get_header("Cookie")
        sent = {"Host": self.host, **self.edge, **(headers or {}),
                **({"Cookie": cookies} if cookies else {})}
        if self.connection is None or self.connection.sock is None:  # the answer before ended it
            self.connection = self._connect()
        self.connection.request(method, request.selector, body, sent)
        response = self.connection.getresponse()
        page = Page(url, response)
        self.jar.extract_cookies(response, request)
        return page

    def _connect(self):
        connection = http.client.HTTPConnection(*self.address, timeout=10,
                                                source_address=self.source)
        connection.connect()
        if self.tls:
            connection.sock = self.tls.wrap_socket(connection.sock, server_hostname=self.name)
        return connection

    # --- WebSockets

    def socket(self, path, origin=None):
        """Fails with websockets.InvalidHandshake when it is refused."""
        request = urllib.request.Request(self.origin + path)
        self.jar.add_cookie_header(request)
        cookies = request.get_header("Cookie")
        headers = {**self.edge, **({"Cookie": cookies} if cookies else {})}
        scheme = "wss" if self.tls else "ws"
        options = {"host": self.address[0], "port": self.address[1], "local_addr": self.source,
                   "origin": origin or self.origin, WS_HEADERS: headers}
        if self.tls:
            options |= {"ssl": self.tls, "server_hostname": self.name}
        return Socket(f"{scheme}://{self.host}{path}", options)


class Socket:
    """An open WebSocket."""

    def __init__(self, url, options):
        self.loop = asyncio.new_event_loop()
        try:
            self.socket = self._run(self._open(url, options))
        except BaseException:
            self.loop.close()
            raise

    @staticmethod
    async def _open(url, options):
        return await websockets.connect(url, **options)

    def _run(self, work):
        return self.loop.run_until_complete(asyncio.wait_for(work, 10))

    def ask(self, text):
        """Sends a message; the answer, JSON."""
        self._run(self.socket.send(text))
        return json.loads(self._run(self.socket.recv()))

    def close(self):
        """Both ends say goodbye; the code is 1000 then."""
        if not self.loop.is_closed():
            self._run(self.socket.close())
            self.loop.close()
        return self.socket.close_code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
