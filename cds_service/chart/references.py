"""Whose reference is it: compares the literal references of a request with its patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from urllib.parse import urlsplit

from cds_service.values import dataclass

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Subject(Enum):
    """What a reference says about the patient of the call."""

    PATIENT = "this patient"
    OTHER = "another patient"
    UNKNOWN = "no patient that could be told"


@dataclass(slots=True)
class PatientReferences:
    """Judges references to the patient of one call; each text is judged once.

    `patient_urls` maps the fullUrl of every entry that is a Patient to whether it is this one.
    """

    patient_id: str
    fhir_server: str | None
    patient_urls: Mapping[str, bool]
    _base: str | None = field(init=False, default=None)
    _judged: dict[str, Subject] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # A server that is no web address has no references of its own: all bases are foreign.
        if self.fhir_server is not None:
            self._base = _normal_base(self.fhir_server) or ""

    def judge(self, reference: str) -> Subject:
        """This patient, another one, or nothing that can be told."""
        found = self._judged.get(reference)
        if found is None:
            found = self._judged[reference] = self._judge(reference.strip())
        return found

    def _judge(self, reference: str) -> Subject:
        bare, _, _ = reference.partition("/_history/")
        if bare[:4].lower() == "urn:":
            return self._judge_urn(bare)
        path, _, identifier = bare.rpartition("/")
        base, slash, kind = path.rpartition("/")
        if kind != "Patient" or not identifier or "#" in identifier or "?" in identifier:
            return self._judge_entry(bare)
        if not slash:
            return self._same(identifier)
        normal = _normal_base(base)
        if normal is None:
            return Subject.UNKNOWN
        is_here = self._base in (None, normal) or self.patient_urls.get(bare, False)
        return self._same(identifier) if is_here else Subject.OTHER

    def _judge_urn(self, urn: str) -> Subject:
        # A urn that equals nothing here says nothing: entries have urns of their own.
        if urn[:9].lower() == "urn:uuid:" and urn[9:].lower() == self.patient_id.lower():
            return Subject.PATIENT
        return self._judge_entry(urn)

    def _judge_entry(self, url: str) -> Subject:
        is_patient = self.patient_urls.get(url) if ":" in url else None
        if is_patient is None:
            return Subject.UNKNOWN
        return Subject.PATIENT if is_patient else Subject.OTHER

    def _same(self, identifier: str) -> Subject:
        return Subject.PATIENT if identifier == self.patient_id else Subject.OTHER


def local_name(reference: str, fhir_server: str | None) -> str:
    """`Type/id` of a reference that is absolute on a server, any other reference as it is.

    Without a server every base counts as that server's.
    """
    base, _, name = reference.rpartition("/")
    base, _, kind = base.rpartition("/")
    normal = _normal_base(base)
    if normal is None or (fhir_server is not None and normal != _normal_base(fhir_server)):
        return reference
    return f"{kind}/{name}"


def _normal_base(base: str) -> str | None:
    """A FHIR base without what does not matter: trailing slashes, case of scheme and host."""
    try:
        parts = urlsplit(base)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    host = parts.netloc.lower().removesuffix(_DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
