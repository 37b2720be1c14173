"""Executes examples/orders.ipynb; prints what its cells printed, and how many pictures they drew."""

import json

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read("examples/orders.ipynb", as_version=4)
NotebookClient(notebook, timeout=500, kernel_name="python3").execute()
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
text = "".join(output.get("text", "") for output in outputs)
pictures = sum("image/png" in output.get("data", {}) for output in outputs)
print(json.dumps({"text": text, "pictures": pictures}))
