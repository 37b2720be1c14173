"""Files of records, pages and evaluation texts, read under limits."""
