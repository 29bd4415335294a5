# shellcheck shell=bash
# S3: versitygw on a directory, with one account and the bucket "reos".

s3_configure() {
  local home=$dir/s3
  mkdir -p -- "$home/data"
  if [[ -f $home/settings ]]; then return; fi
  printf 'S3_KEY=%s\nS3_SECRET=%s\n' "reos$(secret 8)" "$(secret)" >"$home/settings.new"
  mv -- "$home/settings.new" "$home/settings"
}

# Object metadata is kept in extended attributes, which not every file system
# has for ordinary users: on others it goes into files beside the data.
s3_start() {
  local home=$dir/s3 S3_KEY S3_SECRET binary metadata=()
  # shellcheck source=/dev/null
  . "$home/settings"
  binary=$(versitygw) || unavailable "versitygw is not installed; run: compose/services install s3"
  case $(stat -f -c %T -- "$home/data") in
    ext2/ext3 | xfs | btrfs | zfs) ;;
    *) mkdir -p -- "$home/metadata" && metadata=(--sidecar "$home/metadata") ;;
  esac
  ROOT_ACCESS_KEY_ID=$S3_KEY ROOT_SECRET_ACCESS_KEY=$S3_SECRET spawn "$home/pid" "$home/log" \
    "$binary" --port "127.0.0.1:$(port s3)" --region us-east-1 --quiet --health /health \
    posix "${metadata[@]}" "$home/data"
}

# Ready includes the bucket. It is made through the server's own API: a
# directory made by hand would lack the owner that some calls ask for.
s3_ready() {
  s3_answers || return 1
  [[ -d $dir/s3/data/reos ]] || s3_create_bucket
}

s3_create_bucket() {
  local S3_KEY S3_SECRET
  # shellcheck source=/dev/null
  . "$dir/s3/settings"
  ADMIN_ENDPOINT_URL=http://127.0.0.1:$(port s3) ADMIN_ACCESS_KEY=$S3_KEY ADMIN_SECRET_KEY=$S3_SECRET \
    "$(versitygw)" admin create-bucket --owner "$S3_KEY" --bucket reos >>"$dir/s3/log" 2>&1
}

s3_answers() {
  local line
  line=$( (
    exec 7<>"/dev/tcp/127.0.0.1/$(port s3)"
    printf 'GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&7
    timeout 2 head -n 1 <&7
  ) 2>/dev/null) || return 1
  [[ $line == *' 200 '* ]]
}

s3_signal() { echo TERM; }

s3_stopped() { :; }

s3_env() {
  local S3_KEY S3_SECRET
  # shellcheck source=/dev/null
  . "$dir/s3/settings"
  printf 'export S3_URL=%q\n' "http://$S3_KEY:$S3_SECRET@127.0.0.1:$(port s3)/reos?region=us-east-1"
}
