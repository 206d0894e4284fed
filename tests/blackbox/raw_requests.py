"""Requests as bytes: those that must be refused, those that must be served, and those in between.

    REFUSED    heads that no backend may see a byte of: name -> (bytes, the status that is right)
    BROKEN     bodies that go wrong behind a good head: name -> (bytes, the status); the backend has
               the head and perhaps some of the body, but never the end
    LEGAL      name -> Conversation: what clients really send, and what of it must arrive
    twisted()  Transfer-Encoding beside Content-Length, one byte off

Texts are Latin-1: each character is a byte.
"""

import hashlib
import itertools
from dataclasses import dataclass

BODY_LIMIT = 64 * 1024  # what the proxy is given as limits.body_bytes; its other limits are the defaults
TARGET_LIMIT, FIELD_LIMIT, HEAD_LIMIT, FIELDS_LIMIT = 8192, 16384, 32768, 128

HOST = "Host: a\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
HELLO = "5\r\nhello\r\n0\r\n\r\n"


def get(fields="", target="/", line_end="\r\n"):
    return f"GET {target} HTTP/1.1\r\n{HOST}{fields}{line_end}"


def post(fields, body=""):
    return f"POST / HTTP/1.1\r\n{HOST}{fields}\r\n{body}"


def named(what, values, build, status=400):
    """A case for each value."""
    return {f"{what} {value!r}"[:90]: (build(value), status) for value in values}


# --- refused: where the request ends (RFC 9112 6)

LENGTHS = [
    "+5", "-5", "0x5", "5_0", "5.0", "5 5", "5,", ",5", "5, 5", "5,5", "5, 6", "5;5", '"5"', "'5'", "1e1",
    "5h", "NaN", "", " ", "\xa05", "5\xa0", "5\x0b", "5\x0c", "\xef\xbc\x95", "5/5", "(5)", "5\x00", "\x005",
    "9" * 19, "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
    "18446744073709551621", "4294967301" * 3, "0" * 18 + "5", "1" * 100,
]
CODINGS = [
    "xchunked", "chunkedx", "chunked;q=1", "chunked ;", '"chunked"', "'chunked'", "gzip", "identity", "deflate",
    ",chunked", "chunked,", " ,chunked", "chunked, chunked", "chunked,chunked", "gzip, chunked", "chunked, gzip",
    "identity, chunked", "chunked, identity", "chunked identity", "trailers", "", " ", "\t", "chun\x0bked",
    "\x0bchunked", "chunked\x0b", "\x0cchunked", "chunked\x0c", "\x00chunked", "chunked\x00", "chunked\xff",
    "\xffchunked", "\xa0chunked", "chunked\xa0", "chunked\t", "\\chunked", "[chunked]", "chunked\x01",
    "ch\xc3\xbcnked", "chunke", "hunked", "chunked:", ": chunked", "=chunked",
]
FRAMING = {
    "length, then coding": (post("Content-Length: 5\r\n" + CHUNKED, "0\r\n\r\n"), 400),
    "coding, then length": (post(CHUNKED + "Content-Length: 5\r\n", "0\r\n\r\n"), 400),
    "no length to speak of, then coding": (post("Content-Length: 0\r\n" + CHUNKED, HELLO), 400),
    "coding, then no length to speak of": (post(CHUNKED + "Content-Length: 0\r\n", HELLO), 400),
    "length and identity": (post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", "hello"), 400),
    "length and an empty coding": (post("Content-Length: 5\r\nTransfer-Encoding:\r\n", "hello"), 400),
    "length and a coding unheard of": (post("Content-Length: 5\r\nTransfer-Encoding: x\r\n", "hello"), 400),
    "length on both sides of the coding":
        (post("Content-Length: 5\r\n" + CHUNKED + "Content-Length: 5\r\n", "0\r\n\r\n"), 400),
    "two lengths": (post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), 400),
    "the same length twice": (post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400),
    "the same length twice, written otherwise": (post("Content-Length: 5\r\nCONTENT-LENGTH: 05\r\n", "hello"), 400),
    "two lengths, apart": (post("Content-Length: 5\r\nX: y\r\ncontent-length: 0\r\n", "hello"), 400),
    "a length and an empty one": (post("Content-Length: 5\r\nContent-Length:\r\n", "hello"), 400),
    "a length of a GET, twice": (get("Content-Length: 0\r\nContent-Length: 0\r\n"), 400),
    "a length with an underscore": (post("Content_Length: 5\r\n", "hello"), 400),
    "a length, and one with an underscore": (post("Content-Length: 5\r\ncontent_length: 6\r\n", "hello"), 400),
    "a coding with an underscore": (post("Transfer_Encoding: chunked\r\n", HELLO), 400),
    "a length, and a coding with an underscore":
        (post("Content-Length: 5\r\nTRANSFER_ENCODING: chunked\r\n", "0\r\n\r\n"), 400),
    "two codings": (post(CHUNKED + CHUNKED, HELLO), 400),
    "two codings, the second unheard of": (post(CHUNKED + "Transfer-Encoding: x\r\n", HELLO), 400),
    "two codings, the first identity": (post("Transfer-Encoding: identity\r\n" + CHUNKED, HELLO), 400),
    "two codings in lower and upper case":
        (post("transfer-encoding: chunked\r\nTRANSFER-ENCODING: chunked\r\n", HELLO), 400),
    "coding in HTTP/1.0": (f"POST / HTTP/1.0\r\n{HOST}{CHUNKED}\r\n{HELLO}", 400),
    "coding and length in HTTP/1.0": (f"POST / HTTP/1.0\r\n{HOST}{CHUNKED}Content-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "coding, space before the colon": (post("Transfer-Encoding : chunked\r\n", HELLO), 400),
    "coding, tab before the colon": (post("Transfer-Encoding\t: chunked\r\n", HELLO), 400),
    "coding, vertical tab before the colon": (post("Transfer-Encoding\x0b: chunked\r\n", HELLO), 400),
    "coding, NUL before the colon": (post("Transfer-Encoding\x00: chunked\r\n", HELLO), 400),
    "coding behind a space": (post(" " + CHUNKED, HELLO), 400),
    "coding behind a tab": (post("\t" + CHUNKED, HELLO), 400),
    "coding behind a vertical tab": (post("\x0b" + CHUNKED, HELLO), 400),
    "coding with a long s": (post("Tran\xc5\xbffer-Encoding: chunked\r\n", HELLO), 400),
    "coding folded with a space": (post("Transfer-Encoding:\r\n chunked\r\n", HELLO), 400),
    "coding folded with a tab": (post("Transfer-Encoding:\r\n\tchunked\r\n", HELLO), 400),
    "coding folded behind a comma": (post("Transfer-Encoding: chunked,\r\n chunked\r\n", HELLO), 400),
    "coding, NUL for the colon": (post("Content-Length: 5\r\nTransfer-Encoding\x00 chunked\r\n", "0\r\n\r\n"), 400),
    "length, space before the colon": (post("Content-Length : 5\r\n", "hello"), 400),
    "length, tab before the colon": (post("Content-Length\t: 5\r\n", "hello"), 400),
    "length behind a space": (post(" Content-Length: 5\r\n", "hello"), 400),
    "length folded with a space": (post("Content-Length:\r\n 5\r\n", "hello"), 400),
    "length folded with a tab": (post("Content-Length: 5\r\n\t0\r\n", "hello"), 400),
    **named("length", LENGTHS, lambda value: post(f"Content-Length: {value}\r\n", "hello")),
    **named("coding", CODINGS, lambda value: post(f"Transfer-Encoding: {value}\r\n", HELLO)),
}

# --- refused: lines (RFC 9112 2.2, 5)

BARE = {
    "LF for all line ends": ("GET / HTTP/1.1\nHost: a\n\n", 400),
    "LF behind the request line": (f"GET / HTTP/1.1\n{HOST}\r\n", 400),
    "LF behind a field": ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    "LF behind the last field": ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    "LF for the empty line": (f"GET / HTTP/1.1\r\n{HOST}\n", 400),
    "LF LF inside": ("GET / HTTP/1.1\r\nHost: a\n\nX: b\r\n\r\n", 400),
    "LF in front of a coding": (post(f"X: y\n{CHUNKED}", HELLO), 400),
    "LF behind a length": (post("Content-Length: 5\n", "hello"), 400),
    "LF in front of all": ("\n" + get(), 400),
    "CR in front of all": ("\r" + get(), 400),
    "CR CR in front of all": ("\r\r" + get(), 400),
    "CR CR LF in front of all": ("\r\r\n" + get(), 400),
    "CR for all line ends": ("GET / HTTP/1.1\rHost: a\r\r\r\n\r\n", 400),
    "CR behind the version": (f"GET / HTTP/1.1\r{HOST}\r\n", 400),
    "CR CR LF behind the version": (f"GET / HTTP/1.1\r\r\n{HOST}\r\n", 400),
    "CR CR LF behind a field": (get("X: a\r\r\n"), 400),
    "CR in a value": (get("X: a\rb\r\n"), 400),
    "CR at the front of a value": (get("X: \rb\r\n"), 400),
    "CR in the name": (get("X\rY: b\r\n"), 400),
    "CR in front of a name": (get("\rX: b\r\n"), 400),
    "CR in a value, then a coding": (post(f"X: a\r{CHUNKED}", HELLO), 400),
    "CR behind an empty value, then a coding": (post(f"X:\r{CHUNKED}", HELLO), 400),
    "CR x behind an empty value, then a coding": (post(f"X:\rx{CHUNKED}", HELLO), 400),
    "CR in a length": (post("Content-Length: 5\r0\r\n", "hello"), 400),
    "CR LF CR X": (f"GET / HTTP/1.1\r\n{HOST}\r\rGET /two HTTP/1.1\r\n{HOST}\r\n", 400),
    "CR LF CR CR LF": (f"GET / HTTP/1.1\r\n{HOST}\r\r\n", 400),
    "CR X for the empty line": (f"GET / HTTP/1.1\r\n{HOST}\rX\r\n\r\n", 400),
    "two empty lines in front": ("\r\n\r\n" + get(), 400),
    "an empty line and LF in front": ("\r\n\n" + get(), 400),
    "a thousand empty lines": ("\r\n" * 1000, 400),
}
FOLDS = {
    "folded with a space": (get("X: a\r\n b\r\n"), 400),
    "folded with a tab": (get("X: a\r\n\tb\r\n"), 400),
    "folded behind an empty value": (get("X:\r\n b\r\n"), 400),
    "folded with nothing": (get("X: a\r\n \r\n"), 400),
    "folded with a tab and nothing": (get("X: a\r\n\t\r\n"), 400),
    "Host folded": ("GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", 400),
    "space in front of the first field": (f"GET / HTTP/1.1\r\n {HOST}\r\n", 400),
    "tab in front of the first field": (f"GET / HTTP/1.1\r\n\t{HOST}\r\n", 400),
    "space on the line behind the request line": (f"GET / HTTP/1.1\r\n \r\n{HOST}\r\n", 400),
}
NAMES = {
    "no colon": (get("nonsense\r\n"), 400),
    "no colon at the end": (get("X: y\r\nnonsense\r\n"), 400),
    "a request line for a field": (get("GET /two HTTP/1.1\r\n"), 400),
    "empty name": (get(": x\r\n"), 400),
    "only a colon": (get(":\r\n"), 400),
    "empty name, then a coding": (post(f":{CHUNKED}", HELLO), 400),
    "space before the colon": (get("X : b\r\n"), 400),
    "tab before the colon": (get("X\t: b\r\n"), 400),
    "Host, space before the colon": ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    **named("in a name", '()<>@,;\\"/[]?={} \x00\x01\x0b\x0c\x1f\x7f\x80\xa0\xe9\xff', lambda c: get(f"X{c}Y: b\r\n")),
    **named("in front of a name", '\x00\x0b\x7f\x80\xff"(', lambda c: get(f"{c}X: b\r\n")),
}
VALUES = named("in a value", "\x00\x01\x02\x07\x08\x0b\x0c\x0e\x1a\x1b\x1f\x7f", lambda c: get(f"X: a{c}b\r\n"))
VALUES |= named("at the end of a value", "\x00\x0b\x0c\x1f\x7f", lambda c: get(f"X: a{c}\r\n"))
VALUES |= named("at the front of a value", "\x00\x0b\x7f", lambda c: get(f"X:{c}a\r\n"))

# --- refused: Host and target (RFC 9112 3.2)

HOSTS = [
    "a@b", "u:p@b", "a/b", "a/", "/", "a:1:2", "a:99999", "a:65536", "a:-1", "a:+1", "a:8a", "a: 80",
    "[::1", "::1", "[::1]x", "[]", "[g::1]", "[::1]:x", "[::1]:65536", "[1]", "a]", "a b", "a\tb", "", " ", "a\\b",
    "a?b", "a#b", "a%41", "a,b", "a;b", "a=b", "<a>", '"a"', "a|b", "a..b", ".com", ".", "..", "a..",
    "\xe9", "a\x00", "a\x00b", "\x7f", "a\x0b", "http://a", "a, a", "*",
]
HOST_CASES = {
    "no Host": ("GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    "no field at all": ("GET / HTTP/1.1\r\n\r\n", 400),
    "a false Host": ("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", 400),
    "two Hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "the same Host twice": ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400),
    "two Hosts, the second empty": ("GET / HTTP/1.1\r\nHost: a\r\nHost:\r\n\r\n", 400),
    "two Hosts in HTTP/1.0": ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a bad Host in HTTP/1.0": ("GET / HTTP/1.0\r\nHost: a@b\r\n\r\n", 400),
    "two Hosts and an absolute target": ("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "an absolute target and no Host": ("GET http://a/ HTTP/1.1\r\nX: y\r\n\r\n", 400),
    "an absolute target of another host": ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "an absolute target of a longer host": ("GET http://a.b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "an absolute target of another port": ("GET http://a:81/ HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
    "an absolute target of another host in HTTP/1.0": ("GET http://b/ HTTP/1.0\r\nHost: a\r\n\r\n", 400),
    **named("Host", HOSTS, lambda value: f"GET / HTTP/1.1\r\nHost: {value}\r\n\r\n"),
}
TARGETS = [
    "http://u@a/", "http://u:p@a/", "http://a@b/", "ftp://a/", "ws://a/", "file:///a", "javascript:1", "mailto:a@b",
    "http://a", "http://a?y", "https://a", "http:///", "http://", "http:/a", "http:a", "http//a/", "://a/", "http://a#/",
    "http://[::1/", "http://a..b/", "http://a:99999/", "http://a:x/", "http://a\\b/", "http://a%2f/", "*", "a:80", "a",
    "a/b", "nothing", "?a", "/a#b", "/#", "#", "/a\\b", "\\a", "\\\\a\\b", "/\xe9", "/\x80", "/\xff", "/\xc3\xa9",
    "/a\tb", "/a\x0bb", "/a\x0cb", "/\x01", "/a\x00b", "/\x1b", "/\x7f", "/a b", "//a b", "",
]
METHODS = [
    ("FOO", 501), ("QUERY", 501), ("get", 501), ("Get", 501), ("G", 501), ("GETS", 501), ("GE", 501), ("TRACK", 501),
    ("DEBUG", 501), ("PRI", 501), ("!#$%&'*+-.^_`|~", 501), ("A" * 1000, 501), ("GET\x00", 400), ("G\xe9T", 400),
    ("GET,", 400), ("(GET)", 400), ('"GET"', 400), ("GET:", 400), ("G\x0bT", 400), ("\x7fGET", 400), ("GET\x01", 400),
]
TARGET_CASES = {
    **named("target", TARGETS, lambda value: f"GET {value} HTTP/1.1\r\n{HOST}\r\n"),
    "POST *": (f"POST * HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n", 400),
    "HEAD *": (f"HEAD * HTTP/1.1\r\n{HOST}\r\n", 400),
    "OPTIONS a": (f"OPTIONS a HTTP/1.1\r\n{HOST}\r\n", 400),
    "OPTIONS */": (f"OPTIONS */ HTTP/1.1\r\n{HOST}\r\n", 400),
    "OPTIONS *?a": (f"OPTIONS *?a HTTP/1.1\r\n{HOST}\r\n", 400),
    "OPTIONS **": (f"OPTIONS ** HTTP/1.1\r\n{HOST}\r\n", 400),
    "OPTIONS of a host without a path": (f"OPTIONS http://a HTTP/1.1\r\n{HOST}\r\n", 400),
    "CONNECT": ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
    "CONNECT with a length": ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello", 501),
    "CONNECT with chunks": (f"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n{CHUNKED}\r\n{HELLO}", 501),
    "CONNECT of a path": (f"CONNECT / HTTP/1.1\r\n{HOST}\r\n", 501),
    "CONNECT in HTTP/1.0": ("CONNECT a:80 HTTP/1.0\r\n\r\n", 501),
    "TRACE": (f"TRACE / HTTP/1.1\r\n{HOST}\r\n", 501),
    "TRACE with hops to go": (f"TRACE / HTTP/1.1\r\n{HOST}Max-Forwards: 3\r\n\r\n", 501),
    "TRACE with a body": (f"TRACE / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello", 501),
    **{f"method {method!r}"[:60]: (f"{method} / HTTP/1.1\r\n{HOST}\r\n", status) for method, status in METHODS},
}

# --- refused: the request line, and what is no HTTP/1 at all (RFC 9112 3)

VERSIONS = [
    "HTTP/2.0", "HTTP/2", "HTTP/3.0", "HTTP/1.2", "HTTP/1.9", "HTTP/0.9", "HTTP/0.0", "HTTP/9.9", "HTTP/1.01",
    "HTTP/01.1", "HTTP/1.10", "HTTP/1.", "HTTP/.1", "HTTP/1", "HTTP/11", "HTTP/1,1", "HTTP/1:1", "HTTP/-1.1",
    "HTTP/+1.1", "HTTP/1.1.1", "HTTP/a.b", "HTTP/", "HTTP", "http/1.1", "Http/1.1", "HTTPS/1.1", "XHTTP/1.1",
    "HTP/1.1", "RTSP/1.0", "ICE/1.0", "SIP/2.0", "HTTP/1.1 ", "HTTP/1.1\t", "HTTP/1.1x", "HTTP/1.1\x00",
    "HTTP/1.1 HTTP/1.1", "HTTP /1.1", "HTTP/ 1.1", "HTTP/1 .1", "HTTP\\1.1", "HTTP/\xb1.1", "\x0bHTTP/1.1",
]
LINES = {
    **named("version", VERSIONS, lambda value: f"GET / {value}\r\n{HOST}\r\n"),
    "no version": (f"GET /\r\n{HOST}\r\n", 400),
    "no version and no field": ("GET /\r\n\r\n", 400),
    "no version, a space": ("GET / \r\n\r\n", 400),
    "only a method": (f"GET\r\n{HOST}\r\n", 400),
    "no target": (f"GET HTTP/1.1\r\n{HOST}\r\n", 400),
    "no method": (f"/ HTTP/1.1\r\n{HOST}\r\n", 400),
    "no request line": (f"{HOST}\r\n", 400),
    "two spaces behind the method": (f"GET  / HTTP/1.1\r\n{HOST}\r\n", 400),
    "two spaces behind the target": (f"GET /  HTTP/1.1\r\n{HOST}\r\n", 400),
    "a tab behind the method": (f"GET\t/ HTTP/1.1\r\n{HOST}\r\n", 400),
    "a tab behind the target": (f"GET /\tHTTP/1.1\r\n{HOST}\r\n", 400),
    "a tab and a space": (f"GET /\t HTTP/1.1\r\n{HOST}\r\n", 400),
    "a space in front": (" " + get(), 400),
    "a tab in front": ("\t" + get(), 400),
    "NUL in front": ("\x00" + get(), 400),
    "a byte order mark in front": ("\xef\xbb\xbf" + get(), 400),
    "a comma in front": ("," + get(), 400),
    "HTTP/2 preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "an answer": ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
    "SSH": ("SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    "SMTP": ("EHLO a\r\nMAIL FROM:<a@b>\r\n\r\n", 400),
    "Redis": ("*1\r\n$4\r\nPING\r\n\r\n", 400),
    "a PROXY header that nobody asked for": ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get(), 400),
}

# Refused before the end of any line: it may never come.
NOISE = {
    "TLS hello": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x42" * 40, 400),
    "TLS alert": ("\x15\x03\x03\x00\x02\x02\x28", 400),
    "SSL 2 hello": ("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 400),
    "random bytes": ("\x80\x81\xfe\xff\x00\x01", 400),
    "SOCKS 5": ("\x05\x01\x00", 400),
    "binary PROXY header": ("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", 400),
    "zeros": ("\x00" * 64, 400),
    "CR without LF": ("\rx", 400),
    "HTTP/0.9": ("GET /\r\n", 400),
    "HTTP/0.9 with a bare LF": ("GET /\n", 400),
    "another protocol": ("SSH-2.0-OpenSSH_9.2\r\n", 400),
    "a first line of another version": ("GET / HTTP/9.9\r\nHost: a", 400),
    "a first line that names no method": ("FOO / HTTP/1.1\r\n", 501),
    "a first line with a bare LF": ("GET / HTTP/1.1\nHost: a", 400),
}


# --- refused: too much of it (RFC 9110 15.5.15, RFC 6585 5)

def fields(count, size=1):
    return "".join(f"X-{i:04}: {'y' * size}\r\n" for i in range(count))


def head_of(size):
    """A head of so many bytes, none of its fields long."""
    rest = size - len(get(fields(4, 8000) + "Y: \r\n"))
    return get(fields(4, 8000) + f"Y: {'y' * rest}\r\n")


TOO_MUCH = {
    "a long target": (get(target="/" + "x" * TARGET_LIMIT), 414),
    "a long query": (get(target="/?" + "x=y&" * 3000), 414),
    "a long absolute target": (get(target="http://a/" + "x" * TARGET_LIMIT), 414),
    "a target longer than any head": (get(target="/" + "x" * 40000), 414),
    "a long value": (get(f"X: {'y' * FIELD_LIMIT}\r\n"), 431),
    "a long name": (get(f"{'X' * FIELD_LIMIT}: y\r\n"), 431),
    "a value longer than any head": (get(f"X: {'y' * 40000}\r\n"), 431),
    "a Cookie of 64 KiB": (get(f"Cookie: {'a=b; ' * 13000}c=d\r\n"), 431),
    "a long head": (get(fields(5, 7000)), 431),
    "a head of one byte too many": (head_of(HEAD_LIMIT + 1), 431),
    "a field too many": (get(fields(FIELDS_LIMIT)), 431),
    "many fields": (get(fields(1000)), 431),
    "the same field many times": (get("X: y\r\n" * 200), 431),
    "a line that does not end": ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "y" * 100000, 431),
    "a request line that does not end": ("GET /" + "y" * 100000, 414),
    "a body too large": (post(f"Content-Length: {BODY_LIMIT + 1}\r\n", "x" * 1000), 413),
    "a body beyond all measure": (post(f"Content-Length: {'9' * 18}\r\n", "x" * 1000), 413),
}

REFUSED = {**FRAMING, **BARE, **FOLDS, **NAMES, **VALUES, **HOST_CASES, **TARGET_CASES, **LINES, **NOISE, **TOO_MUCH}
REFUSED = {name: (text.encode("latin-1"), status) for name, (text, status) in REFUSED.items()}

# --- bodies that go wrong (RFC 9112 7.1)

SIZES = [
    "0x5", "0X5", "+5", "-5", "5_", "_5", " 5", "5 ", "\t5", "5\t", "Z", "5g", "", "5.0", "5,5", "\x005", "5\x00", "\xb5",
    "5\x80", "5h", "'5'", "f" * 17, "f" * 16, "0" * 16 + "5", "0" * 1000 + "5", "de0b6b3a7640000", "7fffffffffffffff",
    "8000000000000005", "10000000000000005", "5\r", "5\r5", "5\n5", "5\x0b", "5:", "5=", "(5)",
]
EXTENSIONS = [
    ";", ";;a", ";=", ";=b", ";a=", ";a=b=c", ";a=;b", ';a="', ';a="b', ';a="b"c', ';a="b""c"', ' ;a', "; a", ";a ", ";a =b",
    ";a= b", ";a=b ", ";a=b ;c", "\t;a", ";\ta", ";a\t", ";a\x00", ";a=\x01", ';a="\x00"', ';a="\x7f"',
    ';a="\\\x00"', ";\x80",
    ";a=\x80", ';"a"', ";a=(b)", ";a/b", ";a=b,c", ";a\r", ";a\rb", ';a="\r"', ";a\nb", ';a="\n"', ";" + "a" * 4097,
    ";a=" + "b" * 5000, ';a="' + "b" * 5000 + '"', ";a" * 2100,
]
TRAILERS = [
    "Content-Length: 5\r\n", "content-length: 0\r\n", CHUNKED, "transfer-encoding: x\r\n", "Host: b\r\n", "host: a\r\n",
    "X: y\r\nContent-Length: 5\r\n", "X: a\r\n b\r\n", " X: a\r\n", "X: a\n", "X: a\rb\r\n", "X: a\r\r\n", "X\r\n",
    ": x\r\n", ":\r\n", "X : a\r\n", "X\t: a\r\n", "X: a\x00b\r\n", "X: a\x01\r\n", "X: \x7f\r\n", "X\xe9: a\r\n",
    "X\x00: a\r\n", "X[]: a\r\n",
    "X Y: a\r\n", "X: " + "y" * 17000 + "\r\n", "X: y\r\n" * 4000, "\rX: a\r\n", "GET /two HTTP/1.1\r\n",
]
BROKEN = {
    **named("size", SIZES, lambda size: f"{size}\r\nhello\r\n0\r\n\r\n"),
    **named("extension", EXTENSIONS, lambda extension: f"5{extension}\r\nhello\r\n0\r\n\r\n"),
    **named("extension of the last chunk", (";", " ;a", ";a ", ";a\n"),
            lambda extension: f"5\r\nhello\r\n0{extension}\r\n\r\n"),
    **named("trailer", TRAILERS, lambda trailer: f"5\r\nhello\r\n0\r\n{trailer}\r\n"),
    "LF behind the size": ("5\nhello\r\n0\r\n\r\n", 400),
    "LF behind an extension": ("5;a\nhello\r\n0\r\n\r\n", 400),
    "LF behind the data": ("5\r\nhello\n0\r\n\r\n", 400),
    "LF behind the last size": ("5\r\nhello\r\n0\n\r\n", 400),
    "LF for the last line": ("5\r\nhello\r\n0\r\n\n", 400),
    "LF everywhere": ("5\nhello\n0\n\n", 400),
    "CR behind the size": ("5\rhello\r\n0\r\n\r\n", 400),
    "CR X behind the size": ("5\rXhello\r\n0\r\n\r\n", 400),
    "CR behind the data": ("5\r\nhello\r0\r\n\r\n", 400),
    "CR X for the last line": ("5\r\nhello\r\n0\r\n\rX", 400),
    "data longer than its size": ("4\r\nhello\r\n0\r\n\r\n", 400),
    "data shorter than its size": ("6\r\nhello\r\n0\r\n\r\n", 400),
    "no line end behind the data": ("5\r\nhello0\r\n\r\n", 400),
    "spaces behind the data": ("5\r\nhello \r\n0\r\n\r\n", 400),
    "an empty line behind the data": ("5\r\nhello\r\n\r\n0\r\n\r\n", 400),
    "an empty line in front": ("\r\n5\r\nhello\r\n0\r\n\r\n", 400),
    "no chunk": ("hello", 400),
    "rubbish behind the last size": ("5\r\nhello\r\n0\r\nXX\r\n\r\n", 400),
    "extensions of more than 4 KiB in all": (f"1;{'a' * 50}\r\nx\r\n" * 100 + "0\r\n\r\n", 400),
    "framing out of all proportion": ("0000000000000001\r\nx\r\n" * 4500 + "0\r\n\r\n", 400),
    "chunks that are too much together": ("1000\r\n" + "x" * 4096 + "\r\n" + ("2000\r\n" + "x" * 8192 + "\r\n") * 8 +
                                          "0\r\n\r\n", 413),
    "a chunk that is too much": (f"{BODY_LIMIT + 1:x}\r\n" + "x" * (BODY_LIMIT + 1) + "\r\n0\r\n\r\n", 413),
}
BROKEN_HEAD = post(CHUNKED).encode()
BROKEN = {name: (BROKEN_HEAD + text.encode("latin-1"), status) for name, (text, status) in BROKEN.items()}


# --- what must be served

@dataclass
class Asked:
    """One request: as the client writes it, and what the backend must read."""
    raw: bytes
    body: bytes = b""
    target: str = None

    def __post_init__(self):
        first = self.raw.removeprefix(b"\r\n")
        head = first.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        self.method, target, self.version = head[0].split(" ")
        self.target = target if self.target is None else self.target
        self.fields = [(name, value.strip(" \t")) for name, value in (line.split(":", 1) for line in head[1:])]
        # An absolute target says the host, whatever Host does (RFC 9112 3.2.2).
        hosts = [value for name, value in self.fields if name.lower() == "host"]
        self.host = target.split("/")[2] if target[0] not in "/*" else (hosts or [""])[0]
        self.sha256 = hashlib.sha256(self.body).hexdigest()


@dataclass
class Conversation:
    asked: list
    closes: bool = False  # behind the last answer, whatever else was sent

    @property
    def raw(self):
        return b"".join(asked.raw for asked in self.asked)


def ask(text, body="", target=None):
    return Asked(text.encode("latin-1"), body.encode("latin-1"), target)


def legal(text, body="", target=None, closes=False):
    return Conversation([ask(text, body, target)], closes)


def chunks(text, body="hello"):
    return legal(post(CHUNKED, text), body)


NEXT = Asked(b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

KNOWN_METHODS = (
    "GET POST PUT DELETE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH MERGE MKACTIVITY CHECKOUT "
    "NOTIFY SUBSCRIBE PURGE LINK UNLINK UNSUBSCRIBE ACL MKCALENDAR M-SEARCH BIND REBIND UNBIND").split()

BROWSER = (
    "GET /shop/items?id=1&q=a%20b HTTP/1.1\r\nHost: www.shop.example:8080\r\nConnection: keep-alive\r\n"
    'sec-ch-ua: "Chromium";v="118", "Not=A?Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\nUpgrade-Insecure-Requests: 1\r\n'
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: de-DE,de;q=0.9\r\nCookie: sid=1; theme=dark\r\n"
    "If-None-Match: W/\"a\"\r\nCache-Control: max-age=0\r\nReferer: https://www.shop.example/?a#b\r\n\r\n")
UPGRADE = ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")
TWO = "GET /two HTTP/1.1\r\nHost: a\r\n\r\n"
MULTIPART = '--x\r\nContent-Disposition: form-data; name="f"; filename="\xe9.txt"\r\n\r\n0\r\n\r\n\x00\x01\r\n--x--\r\n'

LEGAL = {
    "a browser": legal(BROWSER),
    "curl": legal("GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
    "lower-case names": legal("GET / HTTP/1.1\r\nhost: a\r\nuser-agent: x\r\naccept: */*\r\n\r\n"),
    "upper-case names": legal("POST / HTTP/1.1\r\nHOST: a\r\nCONTENT-LENGTH: 5\r\n\r\nhello", "hello"),
    "lower-case coding": legal(f"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{HELLO}", "hello"),
    "coding in capitals": legal(post("Transfer-Encoding: CHUNKED\r\n", HELLO), "hello"),
    "no blank behind colons": legal("POST / HTTP/1.1\r\nHost:a\r\nContent-Length:5\r\nX:y\r\n\r\nhello", "hello"),
    "blanks and tabs around values": legal(
        "POST / HTTP/1.1\r\nHost: \t a \t\r\nX:\t y z \t \r\nContent-Length:  \t5  \r\n\r\nhello", "hello"),
    "blanks around the coding": legal(post("Transfer-Encoding:  \t chunked  \r\n", HELLO), "hello"),
    "no blank before the coding": legal(post("Transfer-Encoding:chunked\r\n", HELLO), "hello"),
    "empty values": legal(get("X-Empty:\r\nX-Blank:  \t\r\nAccept:\r\nX-Last: \r\n")),
    "bytes above 127 in values": legal(get("X-Name: caf\xe9\r\nX-Utf: \xc3\xa9\xe2\x82\xac\r\nX-Odd: \x80\xff\r\n")),
    "a tab in a value": legal(get("X: a\tb\r\n")),
    "all letters of tokens in a name": legal(get("!#$%&'*+-.^_`|~09azAZ: x\r\n")),
    "quotes, brackets, colons in a value": legal(get('X: "a:b"; {c}[d]<e> (f) \\ , = @ /?\r\nY: : ::\r\n')),
    "underscores in names": legal(get("X_Custom: 1\r\n_x: 2\r\n")),
    "names of one letter, and digits": legal(get("a: 1\r\n9: 2\r\n")),
    "the same field often": legal(get("X: 1\r\nY: 2\r\nX: 3\r\nx: 4\r\nAccept: a\r\nAccept: b\r\n")),
    "a length with zeros in front": legal(post("Content-Length: 005\r\n", "hello"), "hello"),
    "a length of 18 digits": legal(post("Content-Length: 000000000000000005\r\n", "hello"), "hello"),
    "no body, said": legal(post("Content-Length: 0\r\n")),
    "POST that says nothing": legal(post("")),
    "no body in chunks": legal(post(CHUNKED, "0\r\n\r\n")),
    "GET with a body": legal(get("Content-Length: 5\r\n") + "hello", "hello"),
    "GET with chunks": legal(get(CHUNKED) + HELLO, "hello"),
    "DELETE with a body": legal(f"DELETE /a HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello", "hello"),
    "OPTIONS with chunks": legal(f"OPTIONS /a HTTP/1.1\r\n{HOST}{CHUNKED}\r\n{HELLO}", "hello"),
    "HEAD with a body": legal(f"HEAD / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello", "hello"),
    "HEAD with chunks": legal(f"HEAD / HTTP/1.1\r\n{HOST}{CHUNKED}\r\n{HELLO}", "hello"),
    "HEAD": legal(f"HEAD /a HTTP/1.1\r\n{HOST}\r\n"),
    "a body that looks like a request": legal(post(f"Content-Length: {len(TWO)}\r\n", TWO), TWO),
    "chunks that look like requests": chunks(f"{len(TWO):x}\r\n{TWO}\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n", TWO + "0\r\n\r\n"),
    "a form": legal(post("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n", "a=b&c=d"), "a=b&c=d"),
    "a form with a file": legal(post(
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(MULTIPART)}\r\n", MULTIPART), MULTIPART),
    "several chunks": chunks("1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"),
    "chunks of one byte": chunks("1\r\nx\r\n" * 500 + "0\r\n\r\n", "x" * 500),
    "a size in capitals": chunks("0A\r\nhellohello\r\nA\r\nhellohello\r\na\r\nhellohello\r\n0\r\n\r\n", "hello" * 6),
    "sizes with zeros in front": chunks("0000000000000005\r\nhello\r\n0000\r\n\r\n"),
    "an extension": chunks("5;a\r\nhello\r\n0\r\n\r\n"),
    "an extension with a value": chunks("5;a=b\r\nhello\r\n0;last=yes\r\n\r\n"),
    "an extension in quotes": chunks('5;a="b c;\t\xe9 \\" \\\\ 0"\r\nhello\r\n0\r\n\r\n'),
    "many extensions": chunks('5;a;b=c;d="e";f=""\r\nhello\r\n0;g;h="i"\r\n\r\n'),
    "a signed upload": chunks(f"5;chunk-signature={'ab' * 32}\r\nhello\r\n0;chunk-signature={'cd' * 32}\r\n\r\n"),
    "extensions of nearly 4 KiB": chunks(f"5;{'a' * 2000}\r\nhello\r\n0;b={'c' * 2000}\r\n\r\n"),
    "a trailer": chunks("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
    "trailers that are dropped": chunks(
        "5\r\nhello\r\n0\r\nCookie: a=b\r\nAuthorization: x\r\nConnection: close\r\nX:\r\n\r\n"),
    "a trailer that was announced": legal(post(f"{CHUNKED}Trailer: X-Sum, X-Two\r\nTE: trailers\r\n",
                                               "5\r\nhello\r\n0\r\nX-Sum: \xe9 1\r\nx-two:2\r\n\r\n"), "hello"),
    "an empty line in front": legal("\r\n" + get()),
    "an empty line behind a body": Conversation([ask(post("Content-Length: 5\r\n", "hello"), "hello"),
                                                 ask("\r\n" + get(target="/two"))]),
    "HTTP/1.0 without Host": legal("GET /a HTTP/1.0\r\n\r\n", closes=True),
    "HTTP/1.0 with Host": legal(f"GET / HTTP/1.0\r\n{HOST}\r\n", closes=True),
    "HTTP/1.0 with a body": legal(f"POST / HTTP/1.0\r\n{HOST}Content-Length: 5\r\n\r\nhello", "hello", closes=True),
    "HTTP/1.0 that stays": Conversation([
        ask(f"GET /one HTTP/1.0\r\n{HOST}Connection: keep-alive\r\n\r\n"),
        ask("POST /two HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello", "hello")]),
    "HTTP/1.0 that expects": legal(
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "hello", closes=True),
    "HTTP/1.0 in absolute form": legal("GET http://a/b HTTP/1.0\r\nHost: a\r\n\r\n", target="/b", closes=True),
    "absolute form": legal("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", target="/"),
    "absolute form with path and query": legal("GET http://a.b:8080/c/d?e=http://f/ HTTP/1.1\r\nHost: a.b:8080\r\n\r\n",
                                               target="/c/d?e=http://f/"),
    "absolute form in capitals": legal("GET HTTP://A.Example/b HTTP/1.1\r\nHost: a.example\r\n\r\n", target="/b"),
    "absolute form of https": legal("GET https://a/b HTTP/1.1\r\nHost: a\r\n\r\n", target="/b"),
    "absolute form of an IPv6 address": legal("GET http://[::1]:80/b HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", target="/b"),
    "OPTIONS *": legal(f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n"),
    
    "OPTIONS before a foreign request": legal(
        f"OPTIONS /a HTTP/1.1\r\n{HOST}Origin: https://b.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n"),
    "two slashes in front": legal(get(target="//a//b")),
    "dots in the target": legal(get(target="/a/../b/./%2e%2e/c")),
    "a target of odd letters": legal(get(target="/!$&'()*+,;=:@%00%ff[]{}|^`\"<>~-._?a[]=1&b=?/&&=")),
    "a target that ends in a question mark": legal(get(target="/a?")),
    "a URL in the path": legal(get(target="/http://b/c?http://d@e")),
    **{f"Host {host!r}": legal(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n") for host in (
        "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080", "[2001:DB8::7]", "[::ffff:1.2.3.4]", "a.example.",
        "a-b.c_d.example",
        "xn--bcher-kva.example", "LOCALHOST:65535", "a:0", "a:00080", "1", "x" * 250)},
    "all methods": Conversation([ask(f"{method} /a HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello", "hello")
                                 for method in KNOWN_METHODS]),
    "Connection: close": legal(get("Connection: close\r\n"), closes=True),
    "Connection: Close": legal(get("connection: Close\r\n"), closes=True),
    "Connection: close and a tab": legal(get("Connection: close\t\r\n"), closes=True),
    "Connection: close behind a tab": legal(get("Connection:\tclose\r\n"), closes=True),
    "Connection: close in a list": legal(get("Connection: keep-alive,\t close \t, X-Hop\r\nX-Hop: 1\r\n"), closes=True),
    "Connection: close in the second field": legal(get("Connection: keep-alive\r\nConnection: close\r\n"), closes=True),
    "Connection: close and a body": legal(post("Connection: close\r\nContent-Length: 5\r\n", "hello"), "hello", closes=True),
    "Connection: keep-alive": legal(get("Connection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\n")),
    "Connection with empty parts": legal(get("Connection: ,, keep-alive , ,\r\n")),
    "an empty Connection": legal(get("Connection:\r\n")),
    "Connection that names fields": legal(
        get("Connection: X-One, x-two,X-THREE\r\nX-One: 1\r\nX-Two: 2\r\nx-three: 3\r\nX-Four: 4\r\n")),
    "Connection that names fields twice": legal(
        get("X-One: 1\r\nConnection: X-One\r\nX-Two: 2\r\nConnection: X-Two\r\nX-One: 3\r\n")),
    "Connection that names what is not there": legal(get("Connection: X-One, x\r\n")),
    "Connection that names the length": legal(post("Connection: content-length\r\nContent-Length: 5\r\n", "hello"), "hello"),
    "Connection that names the coding": legal(
        post(f"Connection: transfer-encoding, keep-alive\r\n{CHUNKED}", HELLO), "hello"),
    "Connection that names Host and Cookie": legal(
        get("Connection: host, cookie, Authorization\r\nCookie: a=b\r\nAuthorization: c\r\n")),
    "Connection that names whom we vouch for": legal(get(
        "Connection: x-forwarded-for, X-Forwarded-Proto, x-forwarded-host, X-Real-IP, X-Request-ID, via\r\n")),
    "Proxy-Connection": legal(
        get("Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nProxy-Authenticate: x\r\n")),
    "TE: trailers": legal(get("TE: trailers\r\nConnection: TE\r\n")),
    "TE with weights": legal(get("TE: trailers, deflate;q=0.5\r\n")),
    "Expect": legal(post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"), "hello"),
    "Expect in capitals, with chunks": legal(post(f"Expect: 100-Continue\r\n{CHUNKED}", HELLO), "hello"),
    "Expect without a body": legal(get("Expect: 100-continue\r\n")),
    "an Upgrade that is not taken": legal(get(UPGRADE), closes=True),
    "an Upgrade to h2c": legal(get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n")),
    "an Upgrade in HTTP/1.0": legal(f"GET / HTTP/1.0\r\n{HOST}{UPGRADE}\r\n", closes=True),
    "an Upgrade that Connection does not name": legal(get("Upgrade: websocket\r\n")),
    "cookies": legal(get('Cookie: a=b; c="d e"; f=; =g; h; i=j=k; __Host-l=%7B%7D\r\n')),
    "cookies in two fields": legal(get("Cookie: a=b\r\nX: y\r\ncookie: c=d\r\n")),
    "our cookie first": legal(get("Cookie: cutover=0427; a=b; c=d\r\n")),
    "our cookie last of many": legal(get("Cookie: " + "".join(f"c{i}=v; " for i in range(1000)) + "cutover=0427\r\n")),
    "our cookie alone": legal(get("Cookie: cutover=0427\r\n")),
    "Range": legal(get("Range: bytes=0-99, 200-\r\nIf-Range: \"a\"\r\n")),
    "Authorization": legal(get("Authorization: Bearer a.b-c_d~e+f/g==\r\n")),
    "who claims to be forwarded": legal(get(
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Forwarded-Port: 1\r\n"
        "X-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX_Forwarded_For: 192.0.2.1\r\nX_Real-IP: 192.0.2.1\r\n")),
    "Via of others": legal(get("Via: 1.0 a, 1.1 b (c)\r\nVia: 1.1 d\r\n")),
    "a request id of its own that is too long": legal(get(f"X-Request-ID: {'x' * 300}\r\n")),
    "the longest target": legal(get(target="/" + "x" * (TARGET_LIMIT - 1))),
    "the longest field": legal(get(f"X: {'y' * (FIELD_LIMIT - 1)}\r\n")),
    "the longest head": legal(head_of(HEAD_LIMIT)),
    "the most fields": legal(get(fields(FIELDS_LIMIT - 1))),
    "the largest body": legal(post(f"Content-Length: {BODY_LIMIT}\r\n", "x" * BODY_LIMIT), "x" * BODY_LIMIT),
    "the largest body in chunks": chunks(f"{BODY_LIMIT:x}\r\n{'x' * BODY_LIMIT}\r\n0\r\n\r\n", "x" * BODY_LIMIT),
    "a pipeline of GETs": Conversation([ask(get(target=f"/{i}")) for i in range(5)]),
    "a pipeline of all kinds": Conversation([
        ask(post("Content-Length: 5\r\n", "hello"), "hello"), ask(get(target="/two")),
        ask(post(CHUNKED, "3\r\nabc\r\n2;x\r\nde\r\n0\r\nX: y\r\n\r\n"), "abcde"),
        ask(f"HEAD /four HTTP/1.1\r\n{HOST}\r\n"), ask(get(target="http://a/five?x"), target="/five?x"),
        ask(post("Content-Length: 0\r\n")), ask("\r\n" + get("Connection: keep-alive\r\n", "/seven"))]),
    "a pipeline that is ended in the middle": Conversation(
        [ask(get(target="/one")), ask(get("Connection: close\r\n", "/two"))], closes=True),
}

# --- between the two

# What readers of heads have stumbled over: blanks, ends, separators, letters that look like others.
BYTES = b"\x00\x01\t\n\x0b\x0c\r !\"#'(),-./01:;=@AC[\\_`cx~\x7f\x80\xa0\xc5\xff"


def twisted(length_first):
    """Transfer-Encoding: chunked, one byte off, beside a Content-Length: conversations in which the
    body, read by its length, holds what is a request of its own to who reads chunks."""
    line = b"Transfer-Encoding: chunked"
    lines = {line[:i] + line[i + 1:] for i in range(len(line))}
    for byte, i in itertools.product(BYTES, range(len(line) + 1)):
        lines.add(line[:i] + bytes([byte]) + line[i:])
        lines.add(line[:i] + bytes([byte]) + line[i + 1:])
    body = b"0\r\n\r\n" + NEXT.raw
    length = b"Content-Length: %d" % len(body)
    for each in sorted(lines - {line}):
        fields_ = (length, each) if length_first else (each, length)
        yield b"POST / HTTP/1.1\r\nHost: a\r\n%s\r\n%s\r\n\r\n%s" % (*fields_, body), body
