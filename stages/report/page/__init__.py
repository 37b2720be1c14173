"""The report as one HTML file, from what report/page.json holds."""
