#!/usr/bin/env bash
# Makes signatures.json with openssl alone, so that our signatures are not their own proof.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

id=0193c0de-0000-5000-8000-000000000001
timestamp=1767787200
hex() { printf '%s' "$2" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -r | cut -d' ' -f1; }
text_key() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
standard_key() {
    case $1 in
        whsec_*) printf '%s' "${1#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n' ;;
        *) text_key "$1" ;;
    esac
}
base64_of() { # key (hex), message
    printf '%s' "$2" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -binary | openssl base64 -A
}
json() { python3 -c 'import json, sys; print(json.dumps(sys.argv[1], ensure_ascii=False), end="")' "$1"; }

vector() { # body, secret, previous or empty
    local body=$1 secret=$2 previous=$3 signatures
    signatures="v1,$(base64_of "$(standard_key "$secret")" "$id.$timestamp.$body")"
    [ -z "$previous" ] ||
        signatures+=" v1,$(base64_of "$(standard_key "$previous")" "$id.$timestamp.$body")"
    printf '  {\n    "id": "%s",\n    "timestamp": %s,\n    "body": %s,\n    "secret": %s,\n' \
        "$id" "$timestamp" "$(json "$body")" "$(json "$secret")"
    if [ -z "$previous" ]; then printf '    "previous": null,\n'; else
        printf '    "previous": %s,\n' "$(json "$previous")"; fi
    printf '    "headers": {\n      "webhook-id": "%s",\n      "webhook-timestamp": "%s",\n' \
        "$id" "$timestamp"
    printf '      "webhook-signature": "%s",\n' "$signatures"
    [ -z "$previous" ] || printf '      "x-webhook-signature-previous": "%s",\n' \
        "$(hex "$(text_key "$previous")" "$body")"
    printf '      "x-webhook-signature": "%s"\n    }\n  }' "$(hex "$(text_key "$secret")" "$body")"
}

{
    printf '[\n'
    vector '{"id":"x","event":"user.created"}' 'plain secret of the CRM' ''
    printf ',\n'
    vector '{"id":"x","event":"user.created"}' 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' ''
    printf ',\n'
    vector '{"name":"Zoë 🜁"}' 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' 'the secret before'
    printf ',\n'
    vector '{}' 'schlüssel' 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'
    printf '\n]\n'
} > signatures.json
