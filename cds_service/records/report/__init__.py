"""Reports: what was asked, shown and answered, as numbers, text, files and a page.

Nothing in them names a patient, an order or a card, also not by a pseudonym.
"""

from cds_service.records.report.apart import page_made_apart
from cds_service.records.report.files import csv_file, csv_files
from cds_service.records.report.making import Progress, make_report
from cds_service.records.report.model import Report
from cds_service.records.report.page import CONTENT_SECURITY_POLICY, Link, page, report_page
from cds_service.records.report.table import Labels, labels_of
from cds_service.records.report.text import document, text

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "Labels",
    "Link",
    "Progress",
    "Report",
    "csv_file",
    "csv_files",
    "document",
    "labels_of",
    "make_report",
    "page",
    "page_made_apart",
    "report_page",
    "text",
]
