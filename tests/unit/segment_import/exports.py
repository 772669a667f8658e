"""Exports as Segment's Public API and its Terraform provider spell them, made up."""

import json
from typing import Any

API_KEY = "segment-held-api-key"
IDENTIFY_FIELDS = {"customAttributes": {"@path": "$.traits"}, "userId": {"@path": "$.userId"}}
TRACK_FIELDS = {"eventName": {"@path": "$.event"}, "userId": {"@path": "$.userId"}}


def subscription(name: str = "Contacts", **changes: Any) -> dict[str, Any]:
    """A subscription as the Public API spells it."""
    return {
        "id": f"id of {name}",
        "name": name,
        "actionId": "uD9jEQ4DxJZzhzVqppM7UD",
        "actionSlug": "createOrUpdateContact",
        "destinationId": "fP7qoQw2HTWt9WdMr718gn",
        "modelId": "",
        "enabled": True,
        "trigger": 'type = "identify"',
        "settings": IDENTIFY_FIELDS,
        **changes,
    }


def page(*subscriptions: dict[str, Any], total: int | None = None) -> str:
    """An answer to list subscriptions from destination."""
    pagination = {"current": "MA==", "totalEntries": len(subscriptions) if total is None else total}
    return json.dumps({"data": {"pagination": pagination, "subscriptions": subscriptions}})


def destination(**changes: Any) -> dict[str, Any]:
    """A destination as the Public API spells it."""
    return {
        "id": "fP7qoQw2HTWt9WdMr718gn",
        "name": "Loops (production)",
        "enabled": True,
        "sourceId": "rh5BDZp6QDHvXFCkibm1pR",
        "settings": {"apiKey": API_KEY},
        "metadata": {
            "id": "62ded0cf5753c743883ca0f3",
            "slug": "actions-loops",
            "name": "Loops (Actions)",
            "actions": [
                {"id": "action-1", "slug": "createOrUpdateContact", "fields": []},
                {"id": "action-2", "slug": "sendEvent", "fields": []},
            ],
            "presets": [{"actionId": "action-1", "name": "Preset", "trigger": 'type = "track"', "fields": {}}],
        },
        **changes,
    }


def in_terraform(value: dict[str, Any]) -> dict[str, Any]:
    """The same with the Terraform provider's names: snake case, settings as JSON text."""
    names = {
        "actionId": "action_id",
        "actionSlug": "action_slug",
        "destinationId": "destination_id",
        "modelId": "model_id",
        "sourceId": "source_id",
    }
    return {names.get(key, key): json.dumps(item) if key == "settings" else item for key, item in value.items()}


HCL = """
import {
  to = segment_destination_subscription.contacts
  id = "fP7:uD9"
}

resource "segment_destination" "loops" {
  name      = "Loops"
  enabled   = false
  source_id = segment_source.backend.id
  metadata  = { id = "62ded0cf5753c743883ca0f3" }
  settings  = jsonencode({ apiKey = "segment-held-api-key" })
}

resource "segment_destination_subscription" "contacts" {
  action_id            = "uD9jEQ4DxJZzhzVqppM7UD"
  destination_id       = segment_destination.loops.id
  enabled              = true
  model_id             = null
  name                 = "Contacts \\"all\\""
  reverse_etl_schedule = null
  settings = jsonencode({
    customAttributes = { "@path" = "$.traits" }
    "userId" : { "@path" : "$.userId" },
    source     = "costs $${not} 5"
    batch_size = 0
    email = {
      "@template" = "{{traits.email}}"
    }
  })
  trigger = "type = \\"identify\\""
}

resource "segment_destination_subscription" "events" {
  action_id      = "fP7qoQw2HTWt9WdMr718gn"
  destination_id = "${segment_destination.loops.id}"
  enabled        = true
  name           = "Events"
  settings       = "{\\"eventName\\":{\\"@path\\":\\"$.event\\"},\\"userId\\":{\\"@path\\":\\"$.userId\\"}}"
  trigger        = <<-EOT
    type = "track"
    and event = "Signed Up"
  EOT
}
"""
