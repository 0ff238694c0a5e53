#!/usr/bin/env bash
# The sandbox on a port, driven by curl: draft a campaign, activate it, let three days pass, look at the figures.
# Start it first:  mcp-instantly sandbox --port 8787
# Then:            examples/sandbox_curl.sh http://127.0.0.1:8787
set -euo pipefail
base="${1:-http://127.0.0.1:8787}"

api() { # METHOD PATH [JSON]
  if [ $# -gt 2 ]; then
    curl --fail-with-body --silent --show-error --request "$1" "$base/api/v2$2" \
      --header "Authorization: Bearer sandbox" --header "Content-Type: application/json" --data "$3"
  else
    curl --fail-with-body --silent --show-error --request "$1" "$base/api/v2$2" --header "Authorization: Bearer sandbox"
  fi
}
id_of() { sed -E 's/^.*"id": ?"([0-9a-f-]{36})".*$/\1/'; }

campaign=$(api POST /campaigns '{
  "name": "From the shell",
  "email_list": ["ada@brightpath.example"],
  "campaign_schedule": {"schedules": [{"name": "Days", "timing": {"from": "09:00", "to": "17:00"},
    "days": {"1": true, "2": true, "3": true, "4": true, "5": true}, "timezone": "America/Detroit"}]},
  "sequences": [{"steps": [{"type": "email", "delay": 2, "variants": [{"subject": "Hello", "body": "<p>Hello</p>"}]}]}]
}' | id_of)
echo "campaign $campaign"

api POST /leads "{\"campaign\": \"$campaign\", \"email\": \"kim.replies@shell.example\", \"first_name\": \"Kim\"}" >/dev/null
api POST "/campaigns/$campaign/activate" >/dev/null
curl --fail --silent "$base/_sandbox/clock" --header "Content-Type: application/json" --data '{"advance": 259200}'
echo
api GET "/campaigns/analytics?id=$campaign"
echo
