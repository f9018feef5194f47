"""The certificates within a time-stamp token, put into the order that DER asks for.

CMS (RFC 5652 section 5.1) holds them as a SET OF, whose elements DER sorts by their bytes. OpenSSL, and authorities
that use it, write a chain in whatever order they have it, which a strict parser refuses. No signature covers that
order, so it may be mended; everything else stays as it is:

    TimeStampResp ::= SEQUENCE { status, SEQUENCE { OID, [0] { SignedData } } }
    SignedData    ::= SEQUENCE { version, digestAlgorithms, content, certificates [0], … }

    >>> _items(bytes.fromhex("0201050101ff"))
    [b'\\x02\\x01\\x05', b'\\x01\\x01\\xff']
"""

_SEQUENCE, _CONTEXT_0 = 0x30, 0xA0
_CERTIFICATES = ((_SEQUENCE, 0), (_SEQUENCE, 1), (_CONTEXT_0, 1), (_SEQUENCE, 0), (_CONTEXT_0, 3))
"""The way to them: at each level the tag, and how many elements stand before it."""


def ordered(token: bytes) -> bytes:
    """Return `token` with its certificates in order, or as it is if they are not where a token has them."""
    start, end = 0, len(token)
    try:
        for tag, before in _CERTIFICATES:
            for _ in range(before):
                start = _extent(token, start, end)[1]
            inside, stop = _extent(token, start, end)
            if token[start] != tag:
                return token
            start, end = inside, stop
        return token[:start] + b"".join(sorted(_items(token[start:end]))) + token[end:]
    except (ValueError, IndexError):
        return token


def _items(content: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(content):
        stop = _extent(content, at, len(content))[1]
        found.append(content[at:stop])
        at = stop
    return found


def _extent(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the content of the element at `start` begins, and where it ends; raises `ValueError` beyond `end`."""
    length, inside = data[start + 1], start + 2
    if length & 0x80:
        inside += length & 0x7F
        length = int.from_bytes(data[start + 2 : inside], "big")
    if inside + length > end:
        raise ValueError("an element that reaches beyond the one that holds it")
    return inside, inside + length
