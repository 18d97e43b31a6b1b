# What the demos share, for tools/demo and tools/demo-service to source from the repository's root:
# $F is the freehold that they show, $W a directory that goes with them, $URL the embedded KMS.
# Who sources this traps EXIT and calls end_process and remove_work; $finished says that all held.
# shellcheck shell=bash disable=SC2034  # what is set here is used there

# Debian packages, then the release binary; FREEHOLD_BIN takes one that is there.
build_freehold() {  # the groups of tools/packages.txt
  if [ -n "${FREEHOLD_BIN:-}" ]; then
    F=$FREEHOLD_BIN
    return
  fi
  tools/setup build run "$@"
  cmake --preset release >/dev/null
  ninja -C build freehold | tail -1
  F=$PWD/build/freehold
}

AWS=/usr/bin/aws
finished=no
make_work() {
  W=$(mktemp -d "/tmp/freehold-demo-$$.XXXXXX")
  chmod 755 "$W"
  trap 'exit 130' INT TERM HUP
}
# A process that has ended already is no failure here.
end_process() {  # pid, seconds until it is killed
  [ -n "$1" ] && kill -0 "$1" 2>/dev/null || return 0
  kill -TERM "$1" 2>/dev/null || true
  for _ in $(seq $(($2 * 10))); do kill -0 "$1" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
remove_work() {  # log files, of which the end is shown if something did not hold
  local log
  if [ $finished != yes ]; then
    for log in "$@"; do
      [ ! -s "$log" ] || { printf '\nthe end of %s:\n' "$log"; tail -15 "$log"; }
    done
  fi
  rm -rf "$W"
}
unmount() { if grep -q " $1 " /proc/self/mountinfo; then umount -l "$1"; fi; }

beat() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '   %s\n' "$*"; }
fail() { printf '   \033[1mnot so:\033[0m %s\n' "$*"; exit 1; }
must_not() { if "$@" >/dev/null 2>&1; then fail "this should have failed: $*"; fi; }
now_ms() { date +%s%3N; }
wait_until() {  # seconds, what, command...
  local seconds=$1 what=$2 end
  shift 2
  end=$(($(now_ms) + seconds * 1000))
  until "$@" >/dev/null 2>&1; do
    [ "$(now_ms)" -lt "$end" ] || fail "not within $seconds s: $what"
    sleep 0.05
  done
}
free_port() { /usr/bin/python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

# ---- the embedded KMS ----
start_kms() {
  "$F" kms serve --listen 127.0.0.1:0 --data "$W/kms" >"$W/kms.log" 2>&1 &
  KMS_PID=$!
  wait_until 10 "the embedded KMS" test -s "$W/kms/endpoint"
  URL=$(cat "$W/kms/endpoint")
  export AWS_SHARED_CREDENTIALS_FILE=$W/kms/credentials AWS_CONFIG_FILE=$W/kms/config
  export AWS_ENDPOINT_URL=$URL AWS_EC2_METADATA_DISABLED=true AWS_PAGER=''
}
aws_as() { AWS_PROFILE=$1 "$AWS" --endpoint-url "$URL" --output text "${@:2}"; }
customer() { aws_as customer "$@"; }

# The customer's role for a vendor, account 444455556666, that names the external id.
make_role() {  # name, external id
  ROLE=arn:aws:iam::111122223333:role/$1
  customer iam create-role --role-name "$1" --assume-role-policy-document '{
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
      "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
      "Condition": {"StringEquals": {"sts:ExternalId": "'"$2"'"}}}]}' >/dev/null
  POLICY='{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"},
    {"Effect": "Allow", "Principal": {"AWS": "'$ROLE'"}, "Resource": "*",
     "Action": ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:GetKeyRotationStatus"]}]}'
}
make_key() {  # description, more of aws's words: prints the key's ARN
  local description=$1
  shift
  customer "$@" kms create-key --description "$description" --policy "$POLICY" --query KeyMetadata.Arn
}

# ---- data, through a file of tools/demo-databases ----
# This machine's package catalogue, and a line that is nowhere else.
load_data() {
  apt-cache dumpavail | awk -v OFS='\t' '
    /^Package: /{n=$2} /^Version: /{v=$2} /^Section: /{s=$2} /^Size: /{z=$2}
    /^Description(-en)?: /{d=$0; sub(/^[^:]*: /, "", d); gsub(/[\\\t]/, " ", d)}
    /^$/ && n {print n, v, s, z + 0, d; n = ""; d = ""}' | db_load_packages
  CANARY="purple elephants at noon, $RANDOM$RANDOM"  # never printed: this output may be in a file in /tmp
  db_sql "insert into package values ('freehold-demo', '1', 'demo', 0, 'canary: $CANARY')"
  db_flush
  BEFORE=$(db_checksum)
  ROWS=${BEFORE%% *}
  [ "$ROWS" -gt 1000 ] || fail "only $ROWS rows: is there a package catalogue? (apt-get update)"
}
search_for_plaintext() {  # directories; the data must be open, as the search is tried on a copy of it first
  local table
  table=$(db_table)
  cp -r "$MNT/$table" "$W/plain"
  grep -rqaF "$CANARY" "$W/plain" || fail "the search finds nothing even in a plain copy"
  rm -r "$W/plain"
  must_have_no_plaintext "$@"
}
must_have_no_plaintext() {
  # Files come and go while it looks, and grep's "nothing found" is the good case: what counts is $found.
  local found
  found=$(find "$@" -xdev -type f -print0 2>/dev/null | xargs -0 grep -laF -- "$CANARY" 2>/dev/null || true)
  [ -z "$found" ] || fail "plaintext found in $found"
}
