# TPC-H lineitem as tab-separated text with the row number in front; made once and kept.

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# The text is at the same time the reference: a target is right when its dump in key order has the
# checksum of this file. No value of lineitem needs escaping in either database's text form.
make_lineitem() {
  lineitem=$data/lineitem-$scale.tsv
  if [ ! -s "$lineitem.md5" ]; then
    say "making lineitem at scale $scale"
    [ -x "$data/venv/bin/tpchgen-cli" ] || {
      [ -x "$data/venv/bin/pip" ] || python3 -m venv "$data/venv"
      "$data/venv/bin/pip" -q install tpchgen-cli==4.0.0
    }
    "$data/venv/bin/tpchgen-cli" -s "$scale" --tables lineitem --output-dir "$data"
    # The generator ends each line with a bar, which would be a seventeenth, empty field, and writes
    # the quantity without the two digits that its type has.
    awk 'BEGIN { FS = "|"; OFS = "\t" } { NF = 16; $5 = $5 ".00"; print NR, $0 }' \
      "$data/lineitem.tbl" >"$lineitem"
    rm "$data/lineitem.tbl"
    md5sum <"$lineitem" | cut -d' ' -f1 >"$lineitem.md5.new"
    mv "$lineitem.md5.new" "$lineitem.md5"
  fi
  reference=$(cat "$lineitem.md5")
}

install_sling() {
  sling=$data/sling/bin/sling
  [ -x "$sling" ] || {
    python3 -m venv "$data/sling"
    "$data/sling/bin/pip" -q install sling-linux-amd64==1.4.11
    # The package carries the program as a file of the module.
    local program
    program=$(find "$data/sling" -type f -path "*/bin/sling-linux-amd64" | head -n 1)
    [ -n "$program" ] || die "the sling package holds no program"
    chmod +x "$program"
    [ -e "$sling" ] || ln -s "$program" "$sling"
  }
}
