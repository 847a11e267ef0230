"""Write docs/plan.schema.json from the model that plan.json is written with, so that the two cannot differ.

python docs/make_plan_schema.py
"""

from __future__ import annotations

import json
from pathlib import Path

from flashlift.pipeline import PlanDocument


def page() -> str:
    """The JSON Schema (draft 2020-12)."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | PlanDocument.model_json_schema(mode="serialization"), indent=1) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("plan.schema.json").write_text(page())
