"""The catalogue of a package by DCAT-AP.de 3.0, as JSON-LD: what open-data portals harvest.

Reads  the tables of a selection and the files of a package; writes nothing. Terms and lists are those of
       https://www.dcat-ap.de/def/dcatde/3.0/spec/; nothing is fetched, the context stands in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from dagster_project.packages import archive
from dagster_project.packages.selection import Parcel
from dagster_project.packages.spatial import bounds

AUTHORITY = "http://publications.europa.eu/resource/authority"
GEOCODING = "http://dcat-ap.de/def/politicalGeocoding"
MEDIA_TYPES = "https://www.iana.org/assignments/media-types"
CONTEXT = {
    "adms": "http://www.w3.org/ns/adms#", "dcat": "http://www.w3.org/ns/dcat#",
    "dcatde": "http://dcat-ap.de/def/dcatde/", "dcterms": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/", "geo": "http://www.opengis.net/ont/geosparql#",
    "spdx": "http://spdx.org/rdf/terms#", "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}  # fmt: skip
LEVELS = {
    "stateKey": "state", "governmentDistrictKey": "administrativeDistrict", "districtKey": "administrativeDistrict",
    "municipalityKey": "municipality",
}  # fmt: skip
# file type by the EU's list, media type by IANA's
FORMATS = {
    "csv": ("CSV", "text/csv"),
    "json": ("JSON", "application/json"),
    "parquet": ("PARQUET", "application/vnd.apache.parquet"),
    "gpkg": ("GPKG", "application/geopackage+sqlite3"),
    "xlsx": ("XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
# what is in a package: name, title, files
DATASETS = (
    ("werte", "Indikatoren der Gebiete", ("werte.csv", "werte.parquet", "werte.xlsx", "werte.jsonstat.json")),
    ("gebietstabelle", "Indikatoren als Gebietstabelle", ("gebietstabelle.xlsx",)),
    ("vergleiche", "Indikatoren im Vergleich", ("vergleiche.parquet",)),
    ("indikatoren", "Bedeutung der Indikatoren", ("indikatoren.parquet",)),
    ("gebiete", "Gebiete mit ihren Grenzen", ("gebiete.gpkg", "gebiete.parquet")),
    ("aenderungen", "Änderungen gegenüber dem vorigen Stand", ("aenderungen.csv",)),
)


def describe(connection: duckdb.DuckDBPyConnection, parcel: Parcel, work: Path) -> dict[str, Any]:
    """The catalogue of the files in the folder `work`: a `dcat:Catalog` with a `dcat:Dataset` for each table."""
    catalogue, here = parcel.catalogue, f"{parcel.catalogue.address.rstrip('/')}/{parcel.recipient.id}"
    agent = {
        "@id": f"{here}#herausgeber",
        "@type": "foaf:Agent",
        "foaf:name": catalogue.publisher,
        "dcterms:type": _link(f"http://purl.org/adms/publishertype/{catalogue.publisher_type}"),
    }
    described = {
        "dcterms:publisher": _link(f"{here}#herausgeber"),
        "dcterms:issued": _moment(parcel.made_at),
        "dcterms:modified": _moment(parcel.made_at),
        "dcterms:language": _link(f"{AUTHORITY}/language/DEU"),
        "dcterms:spatial": _places(connection, parcel),
    }
    covered = {**described, **_coverage(connection, parcel)}
    return {
        "@context": CONTEXT,
        "@id": here,
        "@type": "dcat:Catalog",
        "dcterms:title": _german(parcel.title),
        "dcterms:description": _german(
            f"Kleinräumige Indikatoren aus der Veröffentlichung {parcel.release}. Kleine Zahlen und solche, aus denen "
            "sie sich errechnen ließen, sind nicht ausgewiesen."
        ),
        "dcterms:license": _link(catalogue.licence),
        "dcat:themeTaxonomy": _link(f"{AUTHORITY}/data-theme"),
        **described,
        "dcterms:publisher": agent,
        "dcat:dataset": [
            _dataset(parcel, here, covered, name, title, [work / file for file in files])
            for name, title, files in DATASETS
        ],
    }


def _dataset(
    parcel: Parcel, here: str, described: dict[str, Any], name: str, title: str, files: list[Path]
) -> dict[str, Any]:
    contributor = parcel.catalogue.contributor
    return {
        "@id": f"{here}#{name}",
        "@type": "dcat:Dataset",
        "dcterms:identifier": f"{parcel.region.id}-{parcel.recipient.id}-{name}",
        "dcterms:title": _german(f"{parcel.title}: {title}"),
        "dcterms:description": _german(f"{title}, {parcel.region.name}, Veröffentlichung {parcel.release}."),
        "dcat:version": parcel.release,
        "dcat:keyword": [_german(word) for word in parcel.catalogue.keywords],
        "dcat:theme": [_link(f"{AUTHORITY}/data-theme/{theme}") for theme in parcel.catalogue.themes],
        "dcat:contactPoint": {"@id": f"{here}#kontakt", **_contact(parcel)},
        "dcterms:accessRights": _link(f"{AUTHORITY}/access-right/PUBLIC"),
        **({"dcatde:contributorID": _link(contributor)} if contributor else {}),
        **described,
        "dcat:distribution": [_distribution(parcel, here, path) for path in files],
    }


def _contact(parcel: Parcel) -> dict[str, Any]:
    contact = parcel.catalogue.contact
    way = "vcard:hasEmail" if contact.startswith("mailto:") else "vcard:hasURL"
    return {"@type": ["vcard:Kind", "vcard:Organization"], "vcard:fn": parcel.catalogue.publisher, way: _link(contact)}


def _distribution(parcel: Parcel, here: str, path: Path) -> dict[str, Any]:
    """One file of the package; the address is that of the package it lies in."""
    kind, media = FORMATS[path.suffix[1:]]
    return {
        "@id": f"{here}#{path.name}",
        "@type": "dcat:Distribution",
        "dcterms:title": path.name,
        "dcat:accessURL": _link(f"{here}/{parcel.file_name}"),
        "dcterms:license": _link(parcel.catalogue.licence),
        "dcatde:licenseAttributionByText": parcel.region.licence_note,
        "dcterms:issued": _moment(parcel.made_at),
        "dcterms:modified": _moment(parcel.made_at),
        "dcterms:format": _link(f"{AUTHORITY}/file-type/{kind}"),
        "dcat:mediaType": _link(f"{MEDIA_TYPES}/{media}"),
        "dcat:packageFormat": _link(f"{MEDIA_TYPES}/application/zip"),
        "dcat:byteSize": {"@type": "xsd:nonNegativeInteger", "@value": str(path.stat().st_size)},
        "adms:status": _link(f"{AUTHORITY}/distribution-status/COMPLETED"),
        "spdx:checksum": {
            "@id": f"{here}#{path.name}-sha256",
            "@type": "spdx:Checksum",
            "spdx:algorithm": _link("http://spdx.org/rdf/terms#checksumAlgorithm_sha256"),
            "spdx:checksumValue": {"@type": "xsd:hexBinary", "@value": archive.sha256(path)},
        },
    }


def _coverage(connection: duckdb.DuckDBPyConnection, parcel: Parcel) -> dict[str, Any]:
    """Which territory and which days the values speak of."""
    kind = parcel.catalogue.territory.partition("/")[0]
    first, last = connection.execute("select min(reference_date), max(reference_date) from value").fetchone() or (0, 0)
    period = {
        "dcterms:temporal": {
            "@type": "dcterms:PeriodOfTime",
            "dcat:startDate": {"@type": "xsd:date", "@value": str(first)},
            "dcat:endDate": {"@type": "xsd:date", "@value": str(last)},
        }
    }
    return {
        "dcatde:politicalGeocodingLevelURI": _link(f"{GEOCODING}/Level/{LEVELS[kind]}"),
        "dcatde:politicalGeocodingURI": [_link(place) for place in _geocodes(connection, parcel)],
        **(period if first else {}),
    }


def _geocodes(connection: duckdb.DuckDBPyConnection, parcel: Parcel) -> list[str]:
    """The whole region, or the municipalities whose areas alone are in the package."""
    found = connection.execute("select distinct municipality from area order by municipality").fetchall()
    keys = [key for (key,) in found]
    if None in keys or len(keys) in (0, len(parcel.region.municipalities)):
        return [f"{GEOCODING}/{parcel.catalogue.territory}"]
    return [f"{GEOCODING}/municipalityKey/{key}" for key in keys]


def _places(connection: duckdb.DuckDBPyConnection, parcel: Parcel) -> list[dict[str, Any]]:
    """The same territory for those who do not know the German lists, and its bounding box in longitude and latitude."""
    places: list[dict[str, Any]] = [
        {"@id": code, "@type": "dcterms:Location"} for code in _geocodes(connection, parcel)
    ]
    box = bounds(connection, parcel.region.crs)
    if box is not None:
        west, south, east, north = (f"{number:.5f}" for number in box)
        corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
        outline = f"POLYGON(({', '.join(' '.join(corner) for corner in corners)}))"
        places.append({"@type": "dcterms:Location", "dcat:bbox": {"@type": "geo:wktLiteral", "@value": outline}})
    return places


def _link(address: str) -> dict[str, str]:
    return {"@id": address}


def _german(text: str) -> dict[str, str]:
    return {"@language": "de", "@value": text}


def _moment(text: str) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": text}
