"""package_test.py PACKAGE FORMAT…: does the BioImage Model Zoo's own test pass for each of these entries of weights?"""
import sys

from bioimageio.core import test_model
from bioimageio.spec import load_description

package, *formats = sys.argv[1:]
failed = []
description = load_description(package, format_version="discover")
if description.validation_summary.status == "failed":
    sys.exit(description.validation_summary.format())
present = [name for name, entry in description.weights if entry is not None]
if sorted(present) != sorted(formats):
    sys.exit(f"there are weights for {present} instead of {formats}")
for name in formats:
    summary = test_model(package, weight_format=name)
    print(f"{name}: {summary.status}")
    if summary.status != "passed":
        failed.append(f"{name}: {summary.status}\n{summary.format()}")
sys.exit("\n".join(failed) or 0)
