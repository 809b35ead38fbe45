"""What a browser sends for a web page's POST to another site: a port of this machine."""

from __future__ import annotations

from itertools import product

#: The head of a headless Chromium's `fetch(…, {method: 'POST', mode: 'no-cors'})`, as captured.
_HEAD = (
    "POST /{path} HTTP/1.1\r\n"
    "Host: 127.0.0.1:{port}\r\n"
    "Connection: keep-alive\r\n"
    "Content-Length: {length}\r\n"
    'sec-ch-ua-platform: "Linux"\r\n'
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "HeadlessChrome/156.0.0.0 Safari/537.36\r\n"
    'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"\r\n'
    "Content-Type: text/plain\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "Accept: */*\r\n"
    "Origin: http://127.0.0.1:27112\r\n"
    "Sec-Fetch-Site: same-site\r\n"
    "Sec-Fetch-Mode: no-cors\r\n"
    "Sec-Fetch-Dest: empty\r\n"
    "Referer: http://127.0.0.1:27112/\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
    "\r\n"
)

#: Letters in the path of the captured one.
_PADDING = 2_999


def chromium_post(port: int, body: bytes, padding: int = _PADDING) -> bytes:
    """Return a POST as Chromium writes it."""
    head = _HEAD.format(path="A" * padding, port=port, length=len(body))
    return head.encode() + body


#: The capture itself. Its body holds three frames of ZMTP 1.0: an empty one, the empty delimiter
#: and the request `{'args': {'n': 1}}`.
CAPTURED = chromium_post(27111, b"\x01\x00\x01\x01\x0b\x00\x81\xa4args\x81\xa1n\x01")


def aligned_post(port: int, frames: bytes) -> bytes:
    """Return a POST whose body is read as frames of ZMTP 1.0, whatever its head is read as.

    A page chooses the path, and with it which letters of the head are read as lengths; what the
    last of these takes of the body is filled up. An empty frame after that ends the message that
    the head may have left open.
    """
    for padding, filler in product(range(150, 216), range(256)):
        body = b"x" * filler + b"\x01\x00" + frames
        post = chromium_post(port, body, padding)
        begin, at = len(post) - len(body), 0
        while at < begin:
            at += post[at] + 1
        # the byte of flags stands after the length: both must be the head's
        if at == begin + filler:
            return post
    raise AssertionError("no path aligns the frames")
