#!/usr/bin/env bash
# Applies what `farspan render` writes to the cluster of KUBECONFIG, for real, and takes it away again.
# usage: test/kubernetes/run.sh BINARY
#
#   KUBECONFIG       the cluster; without it the test is skipped, and says so
#   FARSPAN_CONTEXT  a context of it (default: the current one)
#   FARSPAN_IMAGE    an image of farspan that the cluster can pull: the gateway is then waited for, too
#
# Everything lies in a namespace of its own, farspan-test-NUMBER, which is deleted at the end whatever happens.
# Nodes are left alone: pods of workloads want machine types that the cluster need not have, and may stay pending.
# `farspan apply --target kubernetes` runs in a second namespace. Where no node carries the labels of its one region
# (farspan.dev/region=own-lab, sku=box, market=own), or without FARSPAN_IMAGE, nothing gets ready: it must undo all.
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:?usage: test/kubernetes/run.sh BINARY}")

skip() {
    printf '\n*** SKIPPED: test-kubernetes: %s\n*** Nothing was applied to any cluster.\n\n' "$1" >&2
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

[ -n "${KUBECONFIG:-}" ] || skip "KUBECONFIG is not set"
command -v kubectl >/dev/null || skip "kubectl is not here"
patient=(kubectl) # for what is watched longer than a request may take
[ -z "${FARSPAN_CONTEXT:-}" ] || patient+=(--context "$FARSPAN_CONTEXT")
kubectl=("${patient[@]}" --request-timeout=30s)
"${kubectl[@]}" version >/dev/null 2>&1 || skip "the cluster of KUBECONFIG does not answer"

space=farspan-test-$$
folder=$(mktemp -d)
passed=0 failed=0
clean() {
    "${patient[@]}" delete namespace "$space" "$space-apply" --ignore-not-found --wait=true --timeout=300s >&2 ||
        echo "*** the namespace $space could not be deleted: delete it by hand" >&2
    rm -rf "$folder"
}
trap clean EXIT

check() { # NAME COMMAND...
    local name=$1 log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      kubernetes: $name"
    else
        failed=$((failed + 1))
        echo "FAILED  kubernetes: $name"
        cat "$log"
    fi
    rm -f "$log"
}

image=(--image "${FARSPAN_IMAGE:-farspan:test}")
render=("$binary" render test/kubernetes/plan.json -f test/kubernetes/world.yaml --target kubernetes
    --namespace "$space" "${image[@]}")
apply() { "${kubectl[@]}" apply --server-side --field-manager=farspan --force-conflicts "$@"; }
apply_region() { apply -f "$folder/$1/00-setup.yaml" && apply -k "$folder/$1"; }
is_unchanged() { "${kubectl[@]}" diff --server-side --field-manager=farspan --force-conflicts -k "$folder/$1"; }
owned_by_us() {
    "${kubectl[@]}" -n "$space" get deployment farspan-gateway --show-managed-fields -o jsonpath='{.metadata.managedFields[*].manager}' |
        grep -qw farspan
}
give_keys() {
    local key
    for key in inner app eu-only; do head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/$key.key"; done
    "${kubectl[@]}" -n "$space" create secret generic farspan-keys --dry-run=client -o yaml \
        --from-file="$folder/inner.key" --from-file="$folder/app.key" --from-file="$folder/eu-only.key" |
        "${kubectl[@]}" apply --server-side --field-manager=keys -f -
}
has_keys() { [ -n "$("${kubectl[@]}" -n "$space" get secret farspan-keys -o jsonpath='{.data.inner\.key}')" ]; }
refuses_nonsense() {
    sed 's/replicas: 2/replicas: -2/' "$folder/own-lab/20-gateway.yaml" >"$folder/bad.yaml"
    ! apply --dry-run=server -f "$folder/bad.yaml"
}
is_gone() { ! "${kubectl[@]}" -n "$space" get deployment chat-box-own; }

context=${FARSPAN_CONTEXT:-$("${kubectl[@]}" config current-context)}
farspan_apply() { # NAMESPACE ARGUMENTS...
    local namespace=$1
    shift
    "$binary" apply "$folder/lab.json" --target kubernetes -f test/kubernetes/world.yaml --namespace "$namespace" \
        "${image[@]}" --state "$folder/state" --context "own:lab=$context" "$@"
}
make_lab_plan() {
    python3 - "$folder/lab.json" <<'END'
import json, sys
plan = json.load(open("test/kubernetes/plan.json"))
plan["replicas"] = [r for r in plan["replicas"] if r["region"] == "own:lab" and r["service"] == "chat"]
json.dump(plan, open(sys.argv[1], "w"))
END
}
shows_a_difference() {
    local status=0
    farspan_apply "$space-apply" --dry-run || status=$?
    [ "$status" -eq 2 ]
}
is_applied_or_undone() {
    local log=$folder/apply.log
    if farspan_apply "$space-apply" --yes --timeout 60s >"$log" 2>&1; then
        farspan_apply "$space-apply" --dry-run
    else
        cat "$log"
        grep -q "what was before runs again" "$log" &&
            [ -z "$("${kubectl[@]}" -n "$space-apply" get deployments,services,configmaps -l app.kubernetes.io/managed-by=farspan -o name)" ]
    fi
}
refuses_what_it_cannot_undo() {
    local log=$folder/refused.log
    ! farspan_apply "$space" --yes >"$log" 2>&1 && cat "$log" && grep -Eq "nothing could be undone|stale" "$log"
}

check "the plan is rendered" "${render[@]}" -o "$folder"
for region in own-lab azure-westeurope; do
    check "$region is taken by the server" apply_region "$region"
    check "$region applied again changes nothing" is_unchanged "$region"
done
check "the fields are farspan's" owned_by_us
check "a nonsensical manifest is refused" refuses_nonsense
check "keys are put beside it" give_keys
check "applying again" apply_region own-lab
check "and leaves the keys alone" has_keys
if [ -n "${FARSPAN_IMAGE:-}" ]; then
    check "the gateway runs" "${patient[@]}" -n "$space" rollout status deployment/farspan-gateway --timeout=240s
else
    echo "*** FARSPAN_IMAGE is not set: no pod was waited for" >&2
fi
check "a plan of one region" make_lab_plan
check "farspan apply shows a difference and changes nothing" shows_a_difference
check "farspan apply makes it so, or undoes all of it" is_applied_or_undone
check "farspan apply refuses where it has not what is in force" refuses_what_it_cannot_undo
check "a workload is taken away" "${kubectl[@]}" -n "$space" delete -f "$folder/own-lab/30-chat-box-own.yaml" --wait=false
check "and is gone" is_gone
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
