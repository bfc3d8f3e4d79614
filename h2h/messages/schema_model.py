"""A schema as a model that can be asked what is expected where: by xmlschema, of files that are in memory already."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable
from email.message import Message
from urllib.response import addinfourl

import xmlschema


def model(address: str, content: Callable[[str], bytes]) -> xmlschema.XMLSchema:
    """Of the schema at this file: address; `content` gives the bytes of it and of whatever it includes."""
    opener = urllib.request.OpenerDirector()
    opener.add_handler(_Opened(content))
    return xmlschema.XMLSchema(address, allow="local", opener=opener)


class _Opened(urllib.request.BaseHandler):
    """Gives xmlschema what it asks for."""

    def __init__(self, content: Callable[[str], bytes]) -> None:
        self._content = content

    def file_open(self, request: urllib.request.Request) -> addinfourl:
        return addinfourl(io.BytesIO(self._content(request.full_url)), Message(), request.full_url)
