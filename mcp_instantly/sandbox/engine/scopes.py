"""What a key must be allowed to do: for each operation the narrowest scope that is enough.

`campaigns:read` is also granted by `campaigns:all`, `all:read` and `all:all`. Operations that are missing here have no
scope on record; any key may call them.
"""

from __future__ import annotations

from collections.abc import Iterable

EVERYTHING = "all:all"

_OPERATIONS = {
    "account_campaign_mappings:read": ("GET /account-campaign-mappings/{email}",),
    "accounts:create": ("POST /accounts",),
    "accounts:read": (
        "GET /accounts",
        "GET /accounts/{email}",
        "POST /accounts/warmup-analytics",
        "GET /accounts/ctd/status",
        "POST /accounts/test/vitals",
    ),
    "accounts:update": (
        "PATCH /accounts/{email}",
        "POST /accounts/pause",
        "POST /accounts/{email}/pause",
        "POST /accounts/{email}/resume",
        "POST /accounts/{email}/mark-fixed",
    ),
    "accounts:delete": ("DELETE /accounts/{email}",),
    "api_keys:create": ("POST /api-keys",),
    "api_keys:read": ("GET /api-keys",),
    "api_keys:delete": ("DELETE /api-keys/{id}",),
    "audit_logs:read": ("GET /audit-logs",),
    "background-jobs:read": (
        "GET /background-jobs",
        "GET /background-jobs/{id}",
    ),
    "block_list_entries:create": (
        "POST /block-lists-entries",
        "POST /block-lists-entries/bulk-create",
    ),
    "block_list_entries:read": (
        "GET /block-lists-entries",
        "GET /block-lists-entries/{id}",
        "GET /block-lists-entries/download",
    ),
    "block_list_entries:delete": (
        "DELETE /block-lists-entries",
        "DELETE /block-lists-entries/{id}",
        "POST /block-lists-entries/bulk-delete",
    ),
    "block_list_entries:update": ("PATCH /block-lists-entries/{id}",),
    "campaigns:create": (
        "POST /campaigns",
        "POST /campaigns/{id}/from-export",
        "POST /campaigns/{id}/duplicate",
    ),
    "campaigns:read": (
        "GET /campaigns",
        "GET /campaigns/{id}",
        "GET /campaigns/search-by-contact",
        "POST /campaigns/{id}/export",
        "GET /campaigns/count-launched",
        "GET /campaigns/{id}/sending-status",
    ),
    "campaigns:update": (
        "POST /campaigns/{id}/activate",
        "POST /campaigns/{id}/pause",
        "PATCH /campaigns/{id}",
        "POST /campaigns/{id}/variables",
    ),
    "campaigns:delete": ("DELETE /campaigns/{id}",),
    "crm_actions:read": ("GET /crm-actions/phone-numbers",),
    "crm_actions:delete": ("DELETE /crm-actions/phone-numbers/{id}",),
    "custom_tag_mappings:read": ("GET /custom-tag-mappings",),
    "custom_tags:create": ("POST /custom-tags",),
    "custom_tags:read": (
        "GET /custom-tags",
        "GET /custom-tags/{id}",
    ),
    "custom_tags:update": ("PATCH /custom-tags/{id}",),
    "custom_tags:delete": ("DELETE /custom-tags/{id}",),
    "dfy_email_account_orders:create": (
        "POST /dfy-email-account-orders",
        "POST /dfy-email-account-orders/domains/similar",
        "POST /dfy-email-account-orders/domains/check",
    ),
    "dfy_email_account_orders:read": (
        "GET /dfy-email-account-orders",
        "POST /dfy-email-account-orders/domains/pre-warmed-up-list",
        "GET /dfy-email-account-orders/accounts",
    ),
    "dfy_email_account_orders:delete": ("POST /dfy-email-account-orders/accounts/cancel",),
    "emails:create": (
        "POST /emails/test",
        "POST /emails/reply",
        "POST /emails/forward",
    ),
    "emails:read": (
        "GET /emails",
        "GET /emails/{id}",
        "GET /emails/unread/count",
    ),
    "emails:update": (
        "PATCH /emails/{id}",
        "POST /emails/threads/{thread_id}/mark-as-read",
    ),
    "emails:delete": ("DELETE /emails/{id}",),
    "inbox_placement_analytics:read": (
        "GET /inbox-placement-analytics",
        "GET /inbox-placement-analytics/{id}",
        "POST /inbox-placement-analytics/stats-by-test-id",
        "POST /inbox-placement-analytics/deliverability-insights",
        "POST /inbox-placement-analytics/stats-by-date",
    ),
    "inbox_placement_reports:read": (
        "GET /inbox-placement-reports",
        "GET /inbox-placement-reports/{id}",
    ),
    "inbox_placement_tests:create": ("POST /inbox-placement-tests",),
    "inbox_placement_tests:read": (
        "GET /inbox-placement-tests",
        "GET /inbox-placement-tests/{id}",
    ),
    "inbox_placement_tests:delete": ("DELETE /inbox-placement-tests/{id}",),
    "inbox_placement_tests:update": ("PATCH /inbox-placement-tests/{id}",),
    "lead-labels:create": ("POST /lead-labels",),
    "lead-labels:read": (
        "GET /lead-labels",
        "GET /lead-labels/{id}",
        "POST /lead-labels/ai-reply-label",
    ),
    "lead-labels:update": ("PATCH /lead-labels/{id}",),
    "lead-labels:delete": ("DELETE /lead-labels/{id}",),
    "lead_lists:create": ("POST /lead-lists",),
    "lead_lists:read": (
        "GET /lead-lists",
        "GET /lead-lists/{id}",
    ),
    "lead_lists:update": ("PATCH /lead-lists/{id}",),
    "lead_lists:delete": ("DELETE /lead-lists/{id}",),
    "leads:create": (
        "POST /leads",
        "POST /leads/add",
    ),
    "leads:delete": (
        "DELETE /leads",
        "DELETE /leads/{id}",
    ),
    "leads:read": (
        "POST /leads/list",
        "GET /leads/{id}",
    ),
    "leads:update": (
        "PATCH /leads/{id}",
        "POST /leads/merge",
        "POST /leads/subsequence/remove",
        "POST /leads/move",
        "POST /leads/subsequence/move",
    ),
    "supersearch_enrichments:read": (
        "POST /supersearch-enrichment/signal-keywords-facet",
        "GET /supersearch-enrichment/ai/{resource_id}/in-progress",
        "POST /supersearch-enrichment/count-leads-from-supersearch",
        "POST /supersearch-enrichment/preview-leads-from-supersearch",
        "GET /supersearch-enrichment/history/{resource_id}",
    ),
    "subsequences:create": (
        "POST /subsequences",
        "POST /subsequences/{id}/duplicate",
    ),
    "subsequences:read": (
        "GET /subsequences",
        "GET /subsequences/analytics",
        "GET /subsequences/{id}",
        "GET /subsequences/{id}/analytics/steps",
        "GET /subsequences/{id}/sending-status",
    ),
    "subsequences:update": (
        "POST /subsequences/{id}/pause",
        "POST /subsequences/{id}/resume",
        "PATCH /subsequences/{id}",
    ),
    "subsequences:delete": ("DELETE /subsequences/{id}",),
    "email_verifications:create": ("POST /email-verification",),
    "email_verifications:read": ("GET /email-verification/{email}",),
    "webhook_events:read": (
        "GET /webhook-events",
        "GET /webhook-events/{id}",
    ),
    "webhooks:create": ("POST /webhooks",),
    "webhooks:read": ("GET /webhooks/{id}",),
    "webhooks:update": (
        "PATCH /webhooks/{id}",
        "POST /webhooks/{id}/resume",
    ),
    "webhooks:delete": ("DELETE /webhooks/{id}",),
    "workspace_billing:read": (
        "GET /workspace-billing/plan-details",
        "GET /workspace-billing/subscription-details",
    ),
    "workspace_group_members:create": ("POST /workspace-group-members",),
    "workspace_group_members:read": (
        "GET /workspace-group-members",
        "GET /workspace-group-members/{id}",
    ),
    "workspace_group_members:delete": ("DELETE /workspace-group-members/{id}",),
    "workspace_members:create": ("POST /workspace-members",),
    "workspace_members:read": (
        "GET /workspace-members",
        "GET /workspace-members/{id}",
    ),
    "workspace_members:update": ("PATCH /workspace-members/{id}",),
    "workspace_members:delete": ("DELETE /workspace-members/{id}",),
    "workspaces:read": (
        "GET /workspaces/current",
        "GET /workspaces/current/whitelabel-domain",
    ),
    "workspaces:update": (
        "PATCH /workspaces/current",
        "POST /workspaces/current/whitelabel-domain",
        "DELETE /workspaces/current/whitelabel-domain",
        "POST /workspaces/current/change-owner",
    ),
    "workspaces:delete": (
        "POST /workspaces/current/schedule-for-removal",
        "DELETE /workspaces/current/schedule-for-removal",
    ),
    "supersearch_enrichments:create": (
        "POST /supersearch-enrichment/ai",
        "PATCH /supersearch-enrichment/{resource_id}/settings",
    ),
    "sales_flows:read": (
        "GET /sales-flow",
        "GET /sales-flow/{id}",
    ),
    "sales_flows:create": ("POST /sales-flow",),
    "sales_flows:update": ("PATCH /sales-flow/{id}",),
    "sales_flows:delete": ("DELETE /sales-flow/{id}",),
    "email_templates:read": (
        "GET /email-templates",
        "GET /email-templates/{id}",
    ),
    "email_templates:create": ("POST /email-templates",),
    "email_templates:update": ("PATCH /email-templates/{id}",),
    "email_templates:delete": ("DELETE /email-templates/{id}",),
    "custom_prompt_templates:read": (
        "GET /custom-prompt-templates",
        "GET /custom-prompt-templates/{id}",
    ),
    "custom_prompt_templates:create": ("POST /custom-prompt-templates",),
    "custom_prompt_templates:update": ("PATCH /custom-prompt-templates/{id}",),
    "custom_prompt_templates:delete": ("DELETE /custom-prompt-templates/{id}",),
}
NEEDED = {operation: scope for scope, operations in _OPERATIONS.items() for operation in operations}
"""The scope of each operation, such as `{"GET /campaigns": "campaigns:read"}`."""


def is_reading(operation: str) -> bool:
    """Whether the operation changes nothing, as far as its scope tells."""
    return operation.startswith("GET ") or NEEDED.get(operation, "").endswith(":read")


def is_allowed(operation: str, granted: Iterable[str]) -> bool:
    """Whether a key with these scopes may call the operation, `GET /campaigns`."""
    needed = NEEDED.get(operation)
    if needed is None:
        return True
    resource, _, verb = needed.partition(":")
    return not {needed, f"{resource}:all", f"all:{verb}", EVERYTHING}.isdisjoint(granted)
