"""Every finding code of this package and what it means: stable words that users, tests and documents may rely on.

The codes of the business rules stand in `h2h.rules`.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "XML_EMPTY": "the file has no content",
    "XML_COMPRESSED": "the file is compressed, an archive or encrypted, not XML",
    "XML_ENCODING": "the characters are not written in an encoding that is allowed here",
    "XML_DOCTYPE": "the file has a DOCTYPE, which is never read",
    "XML_NOT_WELL_FORMED": "the file is not well-formed XML",
    "XML_LIMIT": "the file passes a limit: depth, attributes, length of a text, size of a part, number of tags",
    "XML_TRUNCATED": "the file ends in the middle",
    "XML_COMMENT_IN_VALUE": "a comment or processing instruction cuts a value in two",
    "XML_CDATA": "a CDATA section, around which not everybody reads a value whole",
    "MSG_UNKNOWN": "not a message, or not a version of one, that is known here",
    "MSG_UNEXPECTED": "a known message that was not expected here",
    "MSG_ENVELOPE": "the Document is wrapped in something else",
    "MSG_HEADER": "the header in front of the Document is that of another message",
    "MSG_SEVERAL": "more than one message in a file: of what is sent, only the first is read",
    "MSG_EMPTY": "the Document holds no message",
    "MSG_ORDER": "header elements stand after the records that they belong to, and were not read",
    "MSG_SUPPLEMENTARY": "supplementary data, which no schema here describes and nobody here reads",
    "XSD_MISSING": "a mandatory element or attribute is missing",
    "XSD_UNEXPECTED": "an element, attribute or text that is not allowed at this place",
    "XSD_EMPTY": "an element without the value it must have",
    "XSD_TOO_LONG": "a value with too many characters or digits",
    "XSD_VALUE": "a value of the wrong form, or outside its code list",
    "XSD_INVALID": "another breach of the message's schema, in the words of the validator",
    "VALUE_NOTATION": "an amount that can be read, but is not in plain notation",
    "VALUE_UNREADABLE": "a value that cannot be read with certainty, and was not read",
    "FINDINGS_CUT": "there were more findings than are listed",
}
