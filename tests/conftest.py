"""What every test has: names that are the same in each process that collects them."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case of bytes by its argument, not by the bytes.

    Bytes made while a module is imported may hold a time (gzip) or a nonce, and pytest-xdist runs nothing when two of
    its processes collected different names. pytest numbers the cases that are then named alike.
    """
    return argname if isinstance(val, bytes | bytearray) else None
