"""Tables that people write in spreadsheets: CSV in its dialects, and XLSX."""

from .base import OpenTable, Table, TableError
from .csv_table import CsvTable
from .xlsx_table import XlsxTable

__all__ = ["CsvTable", "OpenTable", "Table", "TableError", "XlsxTable"]
