"""What a request is turned away with, before anything is done for it."""

from __future__ import annotations


class Refused(Exception):
    """An HTTP status, a sentence for the caller, and headers of the response."""

    def __init__(self, status: int, sentence: str, **headers: str):
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
